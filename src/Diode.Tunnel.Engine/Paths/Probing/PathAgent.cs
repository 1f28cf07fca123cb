using Diode.Tunnel.Platform.Sockets;

namespace Diode.Tunnel.Engine.Paths.Probing;

/// <summary>
/// Decides how to reach one peer: which ways are tried when, which of them works, how long its datagrams may be, and which is used.
/// Without sockets, threads and clock: authenticated probes and time go in, pings come out by <see cref="IPathAgentOutput"/>.
/// <para>
/// A UDP way is used only once the peer has answered on it, and given up when answers stop while another way is proven to work since
/// then. When nothing answers, all of the network is down and the way in use stays: it is the first to work again. The relay stream
/// is the floor. Not thread-safe; every <c>now</c> is monotonic, in ticks of 100 ns, above zero.
/// </para>
/// </summary>
internal sealed partial class PathAgent(IPathAgentOutput output, Func<ulong> random)
{
    /// <summary>Ways kept for one peer; more are not taken.</summary>
    public const int MaxRoutes = 24;

    private readonly List<PathRoute> _routes = [];
    private long _lastTraffic;

    /// <summary>All ways.</summary>
    public IReadOnlyList<PathRoute> Routes => _routes;

    /// <summary>The way to use; null if there is none.</summary>
    public PathRoute? Current { get; private set; }

    /// <summary>When <see cref="Current"/> was chosen.</summary>
    public long CurrentSince { get; private set; }

    /// <summary>When the search for a direct way began, or began again; 0 = the peer's candidates are not known.</summary>
    public long SearchSince { get; private set; }

    /// <summary>When data moved last; 0 never.</summary>
    public long LastTraffic => _lastTraffic;

    /// <summary>Whether the way in use does not answer, beyond doubt.</summary>
    public bool IsSilent(long now)
    {
        return Current is { } current && IsBad(current, now);
    }

    /// <summary>Whether data moved lately.</summary>
    public bool IsActive(long now)
    {
        return _lastTraffic != 0 && now - _lastTraffic < PathTimings.Active;
    }

    /// <summary>Whether a UDP port at the relay should be opened: there is traffic and no direct way was found.</summary>
    public bool WantsRelayPort(long now)
    {
        return SearchSince != 0
            && now - SearchSince >= PathTimings.DirectPatience
            && IsActive(now)
            && (Current is not { Kind: PathKind.DirectUdp } || Current.Lost >= PathTimings.LostForDead)
            && !_routes.Exists(static r => r is { Kind: PathKind.RelayUdp, Lost: < PathTimings.LostForDead });
    }

    /// <summary>Sets or takes away the relay stream.</summary>
    public void SetStream(IRouteTraffic? traffic, object? tag, long now)
    {
        PathRoute? old = _routes.Find(static r => r.Kind == PathKind.RelayStream);
        if (ReferenceEquals(old?.Tag, tag))
        {
            return;
        }

        PathRoute? stream = null;
        if (tag is not null)
        {
            stream = new PathRoute(PathKind.RelayStream, default, traffic)
            {
                Tag = tag,
                Since = now,
                MaxDatagram = ushort.MaxValue,
                Search = LengthSearch.Done,

                // A way out of a dead one, if it answers.
                NextPing = Current is { Lost: > 0 } ? now : long.MaxValue,
            };
            StartCounting(stream);
            _routes.Add(stream);
        }

        if (old is not null)
        {
            _routes.Remove(old);
            if (ReferenceEquals(Current, old))
            {
                Use(stream, now);
            }
        }

        Choose(now);
    }

    /// <summary>Adds a UDP way, or finds it; it is tried at once. Null: there are too many that are worth more.</summary>
    public PathRoute? Add(PathKind kind, in EndpointAddress remote, long now)
    {
        if (Find(kind, remote) is { } known)
        {
            return known;
        }

        if (_routes.Count >= MaxRoutes && !Evict())
        {
            return null;
        }

        PathRoute route = new(kind, remote, null) { Since = now };
        _routes.Add(route);
        Begin(route, now);
        return route;
    }

    /// <summary>Takes a way away.</summary>
    public void Remove(PathRoute route, long now)
    {
        _routes.Remove(route);
        if (ReferenceEquals(Current, route))
        {
            Current = null;
            Choose(now);
        }
    }

    /// <summary>
    /// The peer's list of addresses. New ones are tried at once, and so are the others that do not answer now: the peer sends a list
    /// when something has changed.
    /// </summary>
    public void SetCandidates(IEnumerable<EndpointAddress> endpoints, long now)
    {
        SearchSince = SearchSince == 0 || Current is not { Kind: PathKind.DirectUdp } ? now : SearchSince;
        foreach (PathRoute route in _routes)
        {
            route.IsNamed = false;
        }

        foreach (EndpointAddress endpoint in endpoints)
        {
            if (Add(PathKind.DirectUdp, endpoint, now) is { } route)
            {
                route.IsNamed = true;
            }
        }

        _routes.RemoveAll(r => r is { Kind: PathKind.DirectUdp, IsNamed: false, ProvenAt: 0, LastHeard: 0 });
        foreach (PathRoute route in _routes)
        {
            if (route.Kind == PathKind.DirectUdp && !IsUsable(route, now))
            {
                Begin(route, now);
            }
        }
    }

    /// <summary>Addresses or routes of this machine have changed, or it has slept: everything is tried anew at once.</summary>
    public void NetworkChanged(long now)
    {
        SearchSince = SearchSince == 0 ? 0 : now;
        foreach (PathRoute route in _routes)
        {
            if (route.Kind != PathKind.RelayStream)
            {
                route.HoldUntil = 0;
                route.Failures = 0;
                route.IsUnreachable = false;
                MeasureAgain(route, isDoubted: false);
                Begin(route, now);
            }
        }
    }

    /// <summary>The peer has begun anew, perhaps elsewhere: what was measured before is doubtful.</summary>
    public void PeerChanged(long now)
    {
        foreach (PathRoute route in _routes)
        {
            // That it did not answer while it was away says nothing of its ways.
            route.HoldUntil = 0;
            route.Failures = 0;
            MeasureAgain(route, isDoubted: true);
        }

        Suspect(now);
    }

    /// <summary>Something may be wrong with the way in use (the control channel is gone): it is asked at once.</summary>
    public void Suspect(long now)
    {
        if (Current is { Kind: not PathKind.RelayStream } current)
        {
            current.NextPing = Math.Min(current.NextPing, now);
        }
    }

    /// <summary>
    /// This machine refuses to send on a way: there is nothing to wait for. Told of a length, the way carries less from now on, and how much
    /// is found out; without a way at all another that works is used, or else it stays: it may be the first to work again.
    /// </summary>
    /// <param name="route">The way.</param>
    /// <param name="tooLong">Length in bytes that was refused; 0 none.</param>
    /// <param name="isUnreachable">Any length is.</param>
    /// <param name="now">Monotonic ticks.</param>
    public void OnRefused(PathRoute route, int tooLong, bool isUnreachable, long now)
    {
        if (tooLong != 0)
        {
            RefuseLength(route, tooLong, now);
        }

        if (!isUnreachable || route.IsUnreachable)
        {
            return;
        }

        route.IsUnreachable = true;
        route.Streak = 0;
        route.NextPing = Math.Max(route.NextPing, now + FailedGap);
        Choose(now);
    }

    /// <summary>An authentic ping has come.</summary>
    public void OnPing(PathRoute route, long now)
    {
        route.LastHeard = now;
        if (route.Kind != PathKind.RelayStream && !IsUsable(route, now) && !route.IsAsked(now - HintGap))
        {
            Send(route, now, ProbeMessage.Length);
        }

        // The peer is asking elsewhere: perhaps it hears nothing from us any more.
        if (Current is { Kind: not PathKind.RelayStream } current
            && !ReferenceEquals(current, route)
            && now - current.LastHeard > HintGap
            && !current.IsAsked(now - (2 * HintGap)))
        {
            Send(current, now, ProbeMessage.Length);
        }
    }

    /// <summary>An authentic pong has come. False: nobody asked on this way.</summary>
    public bool OnPong(PathRoute route, ulong transaction, long now)
    {
        if (!route.TryTake(transaction, out PathRoute.Ping ping))
        {
            return false;
        }

        long roundTrip = Math.Max(1, now - ping.SentAt);
        route.RoundTrip = route.RoundTrip == 0 ? roundTrip : ((7 * route.RoundTrip) + roundTrip) / 8;
        route.ProvenAt = Math.Max(route.ProvenAt, ping.SentAt);
        route.LastHeard = now;
        route.IsUnreachable = false;
        route.Streak++;
        if (route.Lost > 0)
        {
            route.Lost = 0;
            route.LengthLost = 0;
            route.NextPing = Math.Min(route.NextPing, now + PathTimings.Rapid);
        }

        LearnLength(route, ping, now);
        Choose(now);
        return true;
    }

    /// <summary>Does what is due.</summary>
    /// <returns>When to call again at the latest.</returns>
    public long Advance(long now)
    {
        CountTraffic(now);
        long next = now + (IsActive(now) ? HintGap : 5 * HintGap);
        for (int i = 0; i < _routes.Count; i++)
        {
            PathRoute route = _routes[i];
            long timeout = PathTimings.Timeout(route.RoundTrip);
            while (route.TryTakeOverdue(now, timeout, out PathRoute.Ping ping))
            {
                NoteLost(route, ping, now);
            }

            AdvanceLength(route, now);
        }

        Choose(now);
        for (int i = 0; i < _routes.Count; i++)
        {
            PathRoute route = _routes[i];
            PingIfDue(route, now);
            next = Math.Min(next, Math.Min(route.NextPing, route.NextOverdue(PathTimings.Timeout(route.RoundTrip))));
        }

        return Math.Max(next, now + TimeSpan.TicksPerMillisecond);
    }

    private PathRoute? Find(PathKind kind, in EndpointAddress remote)
    {
        foreach (PathRoute route in _routes)
        {
            if (route.Kind == kind && route.Remote == remote)
            {
                return route;
            }
        }

        return null;
    }

    private bool Evict()
    {
        PathRoute? oldest = null;
        foreach (PathRoute route in _routes)
        {
            if (route is { Kind: PathKind.DirectUdp, ProvenAt: 0 } && (oldest is null || route.Since < oldest.Since))
            {
                oldest = route;
            }
        }

        return oldest is not null && _routes.Remove(oldest);
    }
}
