namespace Diode.Tunnel.Engine.Paths.Probing;

/// <content>When which way is asked, and what silence means.</content>
internal sealed partial class PathAgent
{
    private const long HintGap = 50 * TimeSpan.TicksPerMillisecond;
    private const long OthersGap = 300 * TimeSpan.TicksPerMillisecond;
    private const long StreamGap = 1_000 * TimeSpan.TicksPerMillisecond;
    private const long FailedGap = 2_000 * TimeSpan.TicksPerMillisecond;
    private const int BulkDatagrams = 16;

    private static void StartCounting(PathRoute route)
    {
        route.CountedSent = route.Traffic?.SentDatagrams ?? 0;
        route.CountedLong = route.Traffic?.SentLong ?? 0;
        route.CountedReceived = route.Traffic?.ReceivedDatagrams ?? 0;
    }

    private void CountTraffic(long now)
    {
        bool wasActive = IsActive(now);
        bool moved = false;
        foreach (PathRoute route in _routes)
        {
            if (route.Traffic is not { } traffic)
            {
                continue;
            }

            long sent = traffic.SentDatagrams;
            long received = traffic.ReceivedDatagrams;
            if (sent != route.CountedSent)
            {
                route.SentSinceHeartbeat += sent - route.CountedSent;
                route.LastSent = now;
                moved = true;
            }

            if (received != route.CountedReceived)
            {
                route.LastData = now;
                moved = true;
            }

            route.CountedSent = sent;
            long sentLong = traffic.SentLong;
            route.HasSentLong |= sentLong != route.CountedLong;
            route.CountedLong = sentLong;
            route.CountedReceived = received;
        }

        if (!moved)
        {
            return;
        }

        _lastTraffic = now;
        if (!wasActive)
        {
            Wake(now);
        }
    }

    /// <summary>Traffic after a pause: what was left alone meanwhile is tried again.</summary>
    private void Wake(long now)
    {
        foreach (PathRoute route in _routes)
        {
            if (route.Kind == PathKind.RelayStream)
            {
                continue;
            }

            if (ReferenceEquals(route, Current))
            {
                // Without this it would be watched as closely as data need only when the long gap of the pause is over.
                route.NextPing = Math.Min(route.NextPing, now + PathTimings.ActiveHeartbeat);
            }
            else if (!IsUsable(route, now))
            {
                Begin(route, now);
            }
        }
    }

    private void NoteLost(PathRoute route, in PathRoute.Ping ping, long now)
    {
        if (ping.Length > ProbeMessage.Length)
        {
            LoseLength(route, ping, now);
            return;
        }

        route.Streak = 0;
        route.LastLost = Math.Max(route.LastLost, ping.SentAt);
        if (route.Lost + 1 <= PathTimings.LostForDead)
        {
            route.BadSince = ping.SentAt;
        }

        if (route.Lost++ == 0)
        {
            route.LostSince = ping.SentAt;
            if (ReferenceEquals(route, Current))
            {
                AskOthers(now);
            }
        }
    }

    /// <summary>The way in use has become doubtful: the others must show now whether they work.</summary>
    private void AskOthers(long now)
    {
        foreach (PathRoute route in _routes)
        {
            if (!ReferenceEquals(route, Current))
            {
                route.NextPing = now;
            }
        }
    }

    private static void Begin(PathRoute route, long now)
    {
        route.Attempt = 0;
        route.NextPing = now;
    }

    private void PingIfDue(PathRoute route, long now)
    {
        bool isCurrent = ReferenceEquals(route, Current);
        if (isCurrent && route.Kind != PathKind.RelayStream)
        {
            long silence = PathTimings.Silence + (2 * route.RoundTrip);
            long back = Math.Max(route.LastData, route.LastHeard);
            if (route.LastSent > back && route.LastSent - back > silence && !route.IsAsked(now - PathTimings.Silence))
            {
                route.NextPing = now;
                if (route is { Search: LengthSearch.Done, Lost: 0 })
                {
                    // Perhaps only what is long gets lost.
                    Send(route, now, Math.Min(route.MaxDatagram, PathTimings.FullDatagram));
                }
            }
        }

        if (now < route.NextPing)
        {
            return;
        }

        bool isLong = isCurrent && route is { Lost: 0, Search: LengthSearch.Done }
            && (route.HasSentLong || route.SentSinceHeartbeat >= BulkDatagrams);
        int length = isLong && route.Kind != PathKind.RelayStream
            ? Math.Min(route.MaxDatagram, PathTimings.FullDatagram)
            : ProbeMessage.Length;
        Send(route, now, length);
        route.NextPing = now + Gap(route, isCurrent, now);
        route.Attempt++;
    }

    private long Gap(PathRoute route, bool isCurrent, long now)
    {
        const long Never = long.MaxValue / 2;
        bool isDoubtful = Current is { Lost: > 0, Kind: not PathKind.RelayStream };
        if (route.Kind == PathKind.RelayStream)
        {
            return !isDoubtful ? Never : now - Current!.LostSince < PathTimings.RapidPhase ? OthersGap : StreamGap;
        }

        if (isCurrent)
        {
            return route.Lost > 0
                ? now - route.LostSince < PathTimings.RapidPhase ? PathTimings.Rapid : PathTimings.Slow
                : IsActive(now) ? PathTimings.ActiveHeartbeat : PathTimings.IdleHeartbeat;
        }

        if (route.Attempt + 1 < PathTimings.Attempts.Length && (route.ProvenAt == 0 || route.Lost > 0))
        {
            return PathTimings.Attempts[route.Attempt + 1];
        }

        if (isDoubtful && now - Current!.LostSince < PathTimings.RapidPhase)
        {
            return OthersGap;
        }

        if (!IsActive(now))
        {
            return Never;
        }

        return route.Failures > 0 ? FailedGap
            : route.ProvenAt != 0 && route.Lost == 0 ? PathTimings.AlternateHeartbeat
            : PathTimings.RetryCandidates;
    }

    private void Send(PathRoute route, long now, int length)
    {
        ulong transaction = random();
        route.Remember(transaction, now, length);
        route.SentSinceHeartbeat = 0;
        route.HasSentLong &= length <= ProbeMessage.Length;
        output.SendPing(route, transaction, length);
    }
}
