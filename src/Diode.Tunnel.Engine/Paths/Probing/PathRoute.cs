using Diode.Tunnel.Platform.Sockets;

namespace Diode.Tunnel.Engine.Paths.Probing;

/// <summary>One way to a peer and what its <see cref="PathAgent"/> knows of it. Changed by the agent only.</summary>
internal sealed class PathRoute(PathKind kind, EndpointAddress remote, IRouteTraffic? traffic)
{
    private const int MaxOutstanding = 24;

    private readonly Ping[] _outstanding = new Ping[MaxOutstanding];
    private int _next;

    /// <summary>How it travels.</summary>
    public PathKind Kind { get; } = kind;

    /// <summary>The far end; not set for a relay stream.</summary>
    public EndpointAddress Remote { get; } = remote;

    /// <summary>Counters of the packet path; null while no path object exists.</summary>
    public IRouteTraffic? Traffic { get; set; } = traffic;

    /// <summary>The owner's path object.</summary>
    public object? Tag { get; set; }

    /// <summary>The peer named this candidate; otherwise it was heard from there.</summary>
    public bool IsNamed { get; set; }

    /// <summary>When the newest answered ping was sent; 0 never.</summary>
    public long ProvenAt { get; set; }

    /// <summary>When anything authentic of the peer last came this way.</summary>
    public long LastHeard { get; set; }

    /// <summary>When data last came this way, by their source address.</summary>
    public long LastData { get; set; }

    /// <summary>When data were last sent this way.</summary>
    public long LastSent { get; set; }

    /// <summary>Smoothed round trip; 0 unknown.</summary>
    public long RoundTrip { get; set; }

    /// <summary>Answers in a row.</summary>
    public int Streak { get; set; }

    /// <summary>Pings in a row without an answer.</summary>
    public int Lost { get; set; }

    /// <summary>When the first of <see cref="Lost"/> was sent.</summary>
    public long LostSince { get; set; }

    /// <summary>When the last of the lost pings that made it bad was sent.</summary>
    public long BadSince { get; set; }

    /// <summary>When the newest ping without an answer was sent.</summary>
    public long LastLost { get; set; }

    /// <summary>When to ping next.</summary>
    public long NextPing { get; set; } = long.MaxValue;

    /// <summary>Pings of the current round of attempts.</summary>
    public int Attempt { get; set; }

    /// <summary>Not to be used before.</summary>
    public long HoldUntil { get; set; }

    /// <summary>Times it went bad.</summary>
    public int Failures { get; set; }

    /// <summary>When it was added, or chosen last.</summary>
    public long Since { get; set; }

    /// <summary>Longest datagram known to pass, or to have passed; 0 not measured.</summary>
    public int MaxDatagram { get; set; }

    /// <summary><see cref="MaxDatagram"/> is being measured anew and may be too much.</summary>
    public bool IsLengthDoubted { get; set; }

    /// <summary>What is longer had better go elsewhere: less than <see cref="MaxDatagram"/> while that is in doubt.</summary>
    public int SafeDatagram => IsLengthDoubted ? PathTimings.LeastDatagram : Math.Max(MaxDatagram, PathTimings.LeastDatagram);

    /// <summary>This machine has no way to the far end: it refuses to send. Until the next answer, or until its network changes.</summary>
    public bool IsUnreachable { get; set; }

    /// <summary>How far the search for <see cref="MaxDatagram"/> is.</summary>
    public LengthSearch Search { get; set; }

    /// <summary>Longest length answered in the current round of the search.</summary>
    public int BestLength { get; set; }

    /// <summary>Rounds of the search, or long pings in a row without an answer.</summary>
    public int LengthLost { get; set; }

    /// <summary>When the search goes on, or begins anew.</summary>
    public long NextLength { get; set; } = long.MaxValue;

    internal long CountedSent { get; set; }

    internal long CountedReceived { get; set; }

    internal long CountedLong { get; set; }

    internal long SentSinceHeartbeat { get; set; }

    /// <summary>Long data went out since the last ping.</summary>
    internal bool HasSentLong { get; set; }

    /// <summary>Remembers a ping.</summary>
    public void Remember(ulong transaction, long now, int length)
    {
        _outstanding[_next] = new Ping(transaction, now, length, true);
        _next = (_next + 1) % MaxOutstanding;
    }

    /// <summary>Finds the ping of an answer and forgets it. Late answers count too.</summary>
    public bool TryTake(ulong transaction, out Ping ping)
    {
        for (int i = 0; i < MaxOutstanding; i++)
        {
            ping = _outstanding[i];
            if (ping.SentAt != 0 && ping.Transaction == transaction)
            {
                _outstanding[i] = default;
                return true;
            }
        }

        ping = default;
        return false;
    }

    /// <summary>Takes a ping that was not answered in time; each is told once.</summary>
    public bool TryTakeOverdue(long now, long timeout, out Ping ping)
    {
        for (int i = 0; i < MaxOutstanding; i++)
        {
            ping = _outstanding[i];
            if (ping.IsWaited && now - ping.SentAt >= timeout)
            {
                _outstanding[i] = ping with { IsWaited = false };
                return true;
            }
        }

        ping = default;
        return false;
    }

    /// <summary>When the oldest ping that is waited for becomes overdue.</summary>
    public long NextOverdue(long timeout)
    {
        long next = long.MaxValue;
        foreach (Ping ping in _outstanding)
        {
            if (ping.IsWaited)
            {
                next = Math.Min(next, ping.SentAt + timeout);
            }
        }

        return next;
    }

    /// <summary>Whether a ping sent after <paramref name="since"/> is out.</summary>
    public bool IsAsked(long since)
    {
        foreach (Ping ping in _outstanding)
        {
            if (ping.SentAt > since)
            {
                return true;
            }
        }

        return false;
    }

    /// <inheritdoc/>
    public override string ToString()
    {
        return Remote.IsSet ? $"{Kind} {Remote}" : Kind.ToString();
    }

    /// <summary>A ping that was sent.</summary>
    internal readonly record struct Ping(ulong Transaction, long SentAt, int Length, bool IsWaited);
}

/// <summary>How far the search for the longest datagram of a way is.</summary>
internal enum LengthSearch
{
    /// <summary>Not begun.</summary>
    None,

    /// <summary>The full length is being tried.</summary>
    Full,

    /// <summary>All smaller lengths are being tried.</summary>
    Ladder,

    /// <summary>Known.</summary>
    Done,
}
