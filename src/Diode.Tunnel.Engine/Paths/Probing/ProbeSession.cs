using Diode.Tunnel.Platform.Sockets;

namespace Diode.Tunnel.Engine.Paths.Probing;

/// <summary>Where a <see cref="ProbeSession"/> puts its datagrams. Called from inside: note it, do not call back.</summary>
internal interface IProbeOutput
{
    /// <summary>A probe for a way; valid during the call. What cannot be sent is lost.</summary>
    void SendProbe(PathRoute route, ReadOnlySpan<byte> datagram);
}

/// <summary>
/// The probes of one peer: secrets, authentication, replay, limits, and the <see cref="PathAgent"/> behind them. What is forged, repeated
/// or not asked for moves nothing and is counted. Pure and not thread-safe.
/// </summary>
internal sealed class ProbeSession : IPathAgentOutput, IDisposable
{
    private const int AnswerBurst = 150;
    private const long AnswerGap = TimeSpan.TicksPerSecond / 100;

    private readonly IProbeOutput _output;
    private ProbeSecret? _previous;
    private ProbeSecret? _theirs;
    private long _answerTime;

    /// <param name="output">Takes the datagrams.</param>
    /// <param name="random">Random numbers, of the quality of keys.</param>
    public ProbeSession(IProbeOutput output, Func<ulong> random)
    {
        _output = output;
        Agent = new PathAgent(this, random);
        Own = ProbeSecret.Create();
    }

    /// <summary>Decides.</summary>
    public PathAgent Agent { get; }

    /// <summary>What the peer is to use.</summary>
    public ProbeSecret Own { get; private set; }

    /// <summary>The ids by which probes for this session are known.</summary>
    public IEnumerable<ulong> Ids => _previous is null ? [Own.Id] : [Own.Id, _previous.Id];

    /// <summary>The peer has given its secret, so it can be probed.</summary>
    public bool IsReady => _theirs is not null;

    /// <summary>Datagrams that were not of the peer, or that came before.</summary>
    public long Refused { get; private set; }

    /// <summary>Makes a new secret for a new control channel; probes with the one before still count.</summary>
    public void Renew()
    {
        _previous?.Dispose();
        _previous = Own;
        Own = ProbeSecret.Create();
    }

    /// <summary>Takes the peer's secret; it must have come over the control channel.</summary>
    public void TakeSecret(ulong id, byte[] key, long now)
    {
        if (_theirs is not { } known || known.Id != id)
        {
            _theirs?.Dispose();
            _theirs = new ProbeSecret(id, key);
            Agent.PeerChanged(now);
        }
    }

    /// <summary>Takes a datagram that <see cref="ProbeMessage.IsProbe"/> names a probe.</summary>
    /// <param name="datagram">The datagram.</param>
    /// <param name="route">The way it came, if it is the stream; null for UDP.</param>
    /// <param name="source">Whom it came from, on UDP; else not set.</param>
    /// <param name="now">Monotonic ticks.</param>
    /// <returns>The way it came, now known to be the peer's; null if it was refused.</returns>
    public PathRoute? Receive(ReadOnlySpan<byte> datagram, PathRoute? route, in EndpointAddress source, long now)
    {
        if (!ProbeMessage.TryRead(datagram, out ProbeMessage probe)
            || FindSecret(probe.Receiver) is not { } secret
            || !ProbeMessage.IsAuthentic(datagram, secret.Key)
            || !secret.TryAccept(probe.Counter))
        {
            Refused++;
            return null;
        }

        route ??= Find(source);
        if (probe.Type == ProbeType.Pong)
        {
            if (route is null || !Agent.OnPong(route, probe.Transaction, now))
            {
                Refused++;
                return null;
            }

            return route;
        }

        route ??= _theirs is null ? null : Agent.Add(PathKind.DirectUdp, source, now);
        if (_theirs is null || route is null || !MayAnswer(now))
        {
            Refused++;
            return null;
        }

        Span<byte> pong = stackalloc byte[ProbeMessage.Length];
        ProbeMessage.WritePong(pong, _theirs.Id, _theirs.NextCounter(), probe.Transaction, source, _theirs.Key);
        _output.SendProbe(route, pong);
        Agent.OnPing(route, now);
        return route;
    }

    /// <summary>Finds a UDP way by its far end.</summary>
    public PathRoute? Find(in EndpointAddress source)
    {
        foreach (PathRoute route in Agent.Routes)
        {
            if (route.Remote == source)
            {
                return route;
            }
        }

        return null;
    }

    /// <inheritdoc/>
    public void SendPing(PathRoute route, ulong transaction, int length)
    {
        if (_theirs is { } theirs)
        {
            Span<byte> ping = stackalloc byte[ProbeMessage.MaxLength];
            ping = ping[..length];
            ProbeMessage.WritePing(ping, theirs.Id, theirs.NextCounter(), transaction, theirs.Key);
            _output.SendProbe(route, ping);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Own.Dispose();
        _previous?.Dispose();
        _theirs?.Dispose();
    }

    private ProbeSecret? FindSecret(ulong id)
    {
        return id == Own.Id ? Own : id == _previous?.Id ? _previous : null;
    }

    // A bucket that holds AnswerBurst and gains one every AnswerGap.
    private bool MayAnswer(long now)
    {
        long earliest = now - (AnswerBurst * AnswerGap);
        if (_answerTime < earliest)
        {
            _answerTime = earliest;
        }

        if (_answerTime > now)
        {
            return false;
        }

        _answerTime += AnswerGap;
        return true;
    }
}
