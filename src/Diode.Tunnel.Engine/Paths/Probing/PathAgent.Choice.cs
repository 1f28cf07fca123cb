namespace Diode.Tunnel.Engine.Paths.Probing;

/// <content>Which way is used.</content>
internal sealed partial class PathAgent
{
    // When a worse way first answered while the one in use did not.
    private long _otherSince;

    /// <summary>Whether a way may be chosen: answers on it are recent, unbroken and of a known length.</summary>
    private static bool IsUsable(PathRoute route, long now)
    {
        return route.Kind == PathKind.RelayStream
            || (IsProven(route, now) && now >= route.HoldUntil && (route.Failures == 0 || route.Streak >= 3));
    }

    private static bool IsProven(PathRoute route, long now)
    {
        return route.ProvenAt != 0
            && route.Lost == 0
            && !route.IsUnreachable
            && now - route.ProvenAt < PathTimings.Fresh
            && route.MaxDatagram >= PathTimings.LeastDatagram;
    }

    private static int Rank(PathRoute route)
    {
        return route.Kind switch
        {
            PathKind.DirectUdp => 0,
            PathKind.RelayUdp => 1,
            _ => 2,
        };
    }

    private static bool IsBetter(PathRoute a, PathRoute b)
    {
        return Rank(a) != Rank(b) ? Rank(a) < Rank(b) : a.RoundTrip < b.RoundTrip;
    }

    /// <summary>
    /// Pings go unanswered. Data that still come in show that the far end lives and that our probes or its answers may just be
    /// crowded out, so more of them are needed.
    /// </summary>
    private static bool IsBad(PathRoute route, long now)
    {
        return route.IsUnreachable || route.Lost >= (now - route.LastData < PathTimings.Silence ? PathTimings.LostWhileHearing : PathTimings.LostForDead);
    }

    private void Choose(long now)
    {
        if (Current is not { } current)
        {
            Use(FindBest(now, static (r, t, _) => IsUsable(r, t)), now);
            return;
        }

        if (current.Failures > 0 && current.Lost == 0 && now - CurrentSince > PathTimings.Forgive)
        {
            current.Failures = 0;
        }

        if (current.IsUnreachable)
        {
            Use(FindBest(now, static (r, t, _) => IsUsable(r, t)) ?? current, now);
            return;
        }

        if (current is { Kind: not PathKind.RelayStream, Lost: > 0 })
        {
            Leave(current, now);
            return;
        }

        PathRoute? best = FindBest(now, static (r, t, _) => IsUsable(r, t));
        if (best is null || ReferenceEquals(best, current))
        {
            return;
        }

        bool isFaster = now - CurrentSince >= PathTimings.MinStay
            && best.RoundTrip + PathTimings.MinGain < current.RoundTrip * 4 / 5;
        if (Rank(best) < Rank(current) || (Rank(best) == Rank(current) && isFaster))
        {
            Use(best, now);
        }
    }

    /// <summary>
    /// The way in use does not answer. Another of its kind that has answered since then is as good (the peer has moved); for a worse
    /// kind it must be bad beyond doubt, and have been asked once more since the other's answer: what answers first when all of the network
    /// comes back is chance, and a relay's TCP connections bring late what they held. Without any that answers it stays: then the network
    /// is down as a whole.
    /// </summary>
    private void Leave(PathRoute current, long now)
    {
        PathRoute? other = FindBest(now, static (r, t, c) => !ReferenceEquals(r, c) && r.ProvenAt >= c!.LostSince && IsSince(r, t));
        bool isBad = IsBad(current, now);
        bool isWorse = other is not null && Rank(other) > Rank(current);
        if (isWorse && other!.ProvenAt < current.BadSince)
        {
            // It answered before all of the network went down, for all that is known.
            isBad = false;
        }
        else if (isWorse && _otherSince < current.BadSince)
        {
            _otherSince = now;
        }

        if (other is not null && (!isWorse || (isBad && current.LastLost >= _otherSince)))
        {
            if (isBad)
            {
                Fail(current, now);
            }

            Use(other, now);
            return;
        }

        // The stream has no proof to give when its relay is slow; after so long it is worth a try all the same.
        if (isBad
            && now - Math.Max(current.ProvenAt, CurrentSince) > PathTimings.GiveUp
            && _routes.Find(static r => r.Kind == PathKind.RelayStream) is { } stream)
        {
            Fail(current, now);
            Use(stream, now);
        }
    }

    private static bool IsSince(PathRoute route, long now)
    {
        return route.Kind == PathKind.RelayStream || IsProven(route, now);
    }

    private static void Fail(PathRoute route, long now)
    {
        route.HoldUntil = now + Math.Min(PathTimings.MaxHold, PathTimings.Hold << Math.Min(route.Failures, 8));
        route.Failures++;
        route.Streak = 0;
        route.NextPing = now + FailedGap;
    }

    private PathRoute? FindBest(long now, Func<PathRoute, long, PathRoute?, bool> isEligible)
    {
        PathRoute? best = null;
        foreach (PathRoute route in _routes)
        {
            if (isEligible(route, now, Current) && (best is null || IsBetter(route, best)))
            {
                best = route;
            }
        }

        return best;
    }

    private void Use(PathRoute? route, long now)
    {
        if (ReferenceEquals(Current, route))
        {
            return;
        }

        if (Current is { Kind: PathKind.DirectUdp } && route is not { Kind: PathKind.DirectUdp })
        {
            SearchSince = now;
        }

        Current = route;
        CurrentSince = now;
        if (route is { Kind: not PathKind.RelayStream })
        {
            route.NextPing = Math.Min(route.NextPing, route.Search == LengthSearch.Done ? now + PathTimings.ActiveHeartbeat : now);
        }
    }
}
