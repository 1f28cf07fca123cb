namespace Diode.Tunnel.Engine.Membership.Chain;

/// <summary>
/// Who of the endpoints is believed. One that was contradicted (by a proof, or by enough others about the very same block) does not
/// count for some time, twice as long each time. Thread-safe.
/// </summary>
/// <param name="time">The clock.</param>
internal sealed class EndpointStandings(TimeProvider time)
{
    // Two blocks may be in dispute for a moment; one who is always alone is wrong.
    private const int StrikesToDoubt = 3;

    private static readonly TimeSpan FirstTerm = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan LongestTerm = TimeSpan.FromHours(24);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Standing> _standings = new(StringComparer.Ordinal);

    /// <summary>Told once each time somebody begins to be doubted, with the reason.</summary>
    public Action<ChainEndpoint, string>? Doubted { get; init; }

    /// <summary>Whether an endpoint does not count now.</summary>
    public bool IsDoubted(ChainEndpoint endpoint)
    {
        lock (_gate)
        {
            return _standings.TryGetValue(endpoint.Name, out Standing? standing) && time.GetUtcNow() < standing.Until;
        }
    }

    /// <summary>An endpoint told something that is certainly not so.</summary>
    public void Contradicted(ChainEndpoint endpoint, string reason)
    {
        lock (_gate)
        {
            Standing standing = Find(endpoint);
            standing.Strikes = 0;
            standing.Term = standing.Term == TimeSpan.Zero ? FirstTerm : standing.Term * 2;
            standing.Term = standing.Term < LongestTerm ? standing.Term : LongestTerm;
            standing.Until = time.GetUtcNow() + standing.Term;
        }

        Doubted?.Invoke(endpoint, reason);
    }

    /// <summary>An endpoint has another block than the others.</summary>
    public void Disagreed(ChainEndpoint endpoint, string reason)
    {
        bool enough;
        lock (_gate)
        {
            enough = ++Find(endpoint).Strikes >= StrikesToDoubt;
        }

        if (enough)
        {
            Contradicted(endpoint, reason);
        }
    }

    /// <summary>An endpoint has the same block as the others.</summary>
    public void Agreed(ChainEndpoint endpoint)
    {
        lock (_gate)
        {
            if (_standings.TryGetValue(endpoint.Name, out Standing? standing))
            {
                standing.Strikes = 0;
            }
        }
    }

    private Standing Find(ChainEndpoint endpoint)
    {
        if (!_standings.TryGetValue(endpoint.Name, out Standing? standing))
        {
            standing = new Standing();
            _standings.Add(endpoint.Name, standing);
        }

        return standing;
    }

    private sealed class Standing
    {
        public int Strikes { get; set; }

        public TimeSpan Term { get; set; }

        public DateTimeOffset Until { get; set; }
    }
}
