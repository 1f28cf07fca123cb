using Diode.Tunnel.Platform.Sockets;

namespace Diode.Tunnel.Engine.PerimeterWireGuard;

/// <summary>A UDP port at a relay at which a device is met.</summary>
/// <param name="Relay">The session it was opened in.</param>
/// <param name="Endpoint">Where it is.</param>
internal sealed record MeetingPort(object Relay, EndpointAddress Endpoint);

/// <summary>
/// At which relay port a Diode peer is met, and when to ask for another one (diode-client §14.4). Both ends may open one: within two
/// seconds the lower number counts, later the newer one, so that both choose the same without a word. Pure; times are ticks of 100 ns. One
/// caller at a time.
/// </summary>
/// <param name="opensFirst">Whether this end asks at once; the other one waits a moment, so that mostly there is one port only.</param>
/// <param name="now">The time.</param>
internal sealed class RelayMeeting(bool opensFirst, long now)
{
    private const long TieTicks = 2 * TimeSpan.TicksPerSecond;
    private const long SecondWaits = 3 * TimeSpan.TicksPerSecond;

    // A handshake is repeated every five seconds.
    private const long ProveTicks = 12 * TimeSpan.TicksPerSecond;

    // Three keepalives.
    private const long SilentTicks = 75 * TimeSpan.TicksPerSecond;
    private const long FirstRetry = 2 * TimeSpan.TicksPerSecond;
    private const long LongestRetry = 60 * TimeSpan.TicksPerSecond;

    private (MeetingPort Port, long At)? _inbound;
    private (MeetingPort Port, long At)? _outbound;
    private long _since = now;
    private long _heard = long.MinValue;
    private long _retry = FirstRetry;
    private long _nextAttempt = opensFirst ? now : now + SecondWaits;

    /// <summary>The port in use; null if there is none.</summary>
    public MeetingPort? Current { get; private set; }

    /// <summary>Whether a port is to be asked for now; counts as asked.</summary>
    public bool TakeAttempt(long now)
    {
        bool isWanted = Current is null || now - _since > ProveTicks && (_heard < _since || now - _heard > SilentTicks);
        if (!isWanted || now < _nextAttempt)
        {
            return false;
        }

        _nextAttempt = now + _retry;
        _retry = Math.Min(_retry * 2, LongestRetry);
        return true;
    }

    /// <summary>The peer has opened a port.</summary>
    /// <returns>Whether <see cref="Current"/> changed.</returns>
    public bool Inbound(MeetingPort port, long now)
    {
        _inbound = (port, now);
        return Choose(now);
    }

    /// <summary>The port asked for is there.</summary>
    /// <returns>Whether <see cref="Current"/> changed.</returns>
    public bool Outbound(MeetingPort port, long now)
    {
        _outbound = (port, now);
        return Choose(now);
    }

    /// <summary>Something authentic of the peer came in, last from there.</summary>
    /// <returns>A port that is not needed any more; null for none.</returns>
    public MeetingPort? Heard(EndpointAddress from, long now)
    {
        // The peer may have chosen otherwise: where it sends is where it is.
        if (Current?.Endpoint != from && Other is { } other && other.Endpoint == from)
        {
            Current = other;
            _since = Math.Min(_since, now);
        }

        if (Current?.Endpoint != from)
        {
            return null;
        }

        _heard = now;
        _retry = FirstRetry;
        MeetingPort? unused = Other;
        if (unused is not null && now - _since > TieTicks)
        {
            Drop(unused);
            return unused;
        }

        return null;
    }

    /// <summary>A session with a relay is over, and with it its ports for all this end knows.</summary>
    /// <returns>Whether <see cref="Current"/> changed.</returns>
    public bool RelayClosed(object relay, long now)
    {
        bool hadCurrent = ReferenceEquals(Current?.Relay, relay);
        _inbound = ReferenceEquals(_inbound?.Port.Relay, relay) ? null : _inbound;
        _outbound = ReferenceEquals(_outbound?.Port.Relay, relay) ? null : _outbound;
        _nextAttempt = hadCurrent ? Math.Min(_nextAttempt, now + FirstRetry) : _nextAttempt;
        return Choose(now);
    }

    private MeetingPort? Other =>
        _inbound is { } i && i.Port != Current ? i.Port
        : _outbound is { } o && o.Port != Current ? o.Port
        : null;

    private void Drop(MeetingPort port)
    {
        _inbound = _inbound?.Port == port ? null : _inbound;
        _outbound = _outbound?.Port == port ? null : _outbound;
    }

    private bool Choose(long now)
    {
        MeetingPort? before = Current;
        Current = (_inbound, _outbound) switch
        {
            (null, null) => null,
            ({ } one, null) => one.Port,
            (null, { } one) => one.Port,
            ({ } i, { } o) when Math.Abs(i.At - o.At) <= TieTicks => i.Port.Endpoint.Port <= o.Port.Endpoint.Port ? i.Port : o.Port,
            ({ } i, { } o) => i.At > o.At ? i.Port : o.Port,
        };
        if (Current == before)
        {
            return false;
        }

        _since = now;
        return true;
    }
}
