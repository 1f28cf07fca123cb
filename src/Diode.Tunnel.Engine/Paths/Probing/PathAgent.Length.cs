namespace Diode.Tunnel.Engine.Paths.Probing;

/// <content>
/// How long a datagram may be on a way (RFC 8899 in short): the full length is tried as soon as the way answers at all; if it does not
/// pass, all lengths of a ladder at once, which costs one round trip. Pings in use are now and then as long as the data, so that a way
/// that shrinks is noticed; ICMP is not believed.
/// </content>
internal sealed partial class PathAgent
{
    private const int LadderRounds = 2;
    private const long FullPatience = 3 * TimeSpan.TicksPerSecond;

    private void LearnLength(PathRoute route, in PathRoute.Ping ping, long now)
    {
        switch (route.Search)
        {
            case LengthSearch.None:
                route.Search = LengthSearch.Full;
                route.LengthLost = 0;
                route.NextLength = now + FullPatience;
                Send(route, now, PathTimings.FullDatagram);
                break;
            case LengthSearch.Full when ping.Length >= PathTimings.FullDatagram:
                Settle(route, PathTimings.FullDatagram, long.MaxValue);
                break;
            case LengthSearch.Ladder:
                route.BestLength = Math.Max(route.BestLength, ping.Length);
                break;
            case LengthSearch.Done when ping.Length > route.MaxDatagram:
                Settle(route, ping.Length, ping.Length >= PathTimings.FullDatagram ? long.MaxValue : route.NextLength);
                break;
            case LengthSearch.Done when ping.Length == route.MaxDatagram:
                route.LengthLost = 0;
                break;
            default:
                break;
        }
    }

    /// <summary>
    /// This machine refuses a length, so it is certain. Senders are told the next lower one at once; the ladder finds the true one, and what is
    /// longer than the least takes the stream meanwhile.
    /// </summary>
    private void RefuseLength(PathRoute route, int length, long now)
    {
        bool isFullTooLong = route.Search == LengthSearch.Full && length >= PathTimings.FullDatagram;
        bool isKnownTooLong = route.Search == LengthSearch.Done && length <= route.MaxDatagram;
        if (length <= route.MaxDatagram)
        {
            route.MaxDatagram = Array.Find(PathTimings.Ladder, step => step < length);
        }

        if (isFullTooLong || isKnownTooLong)
        {
            Climb(route, now);
        }
    }

    private void LoseLength(PathRoute route, in PathRoute.Ping ping, long now)
    {
        if (route.Kind == PathKind.RelayStream)
        {
            return;
        }

        switch (route.Search)
        {
            case LengthSearch.Full when route.Lost >= PathTimings.LostForDead:
                // Begins anew when it answers again.
                route.Search = LengthSearch.None;
                route.NextLength = long.MaxValue;
                break;
            case LengthSearch.Full when route.Lost == 0 && ++route.LengthLost >= 2:
                Climb(route, now);
                break;
            case LengthSearch.Full:
                route.IsLengthDoubted = true;

                // A short ping beside it tells whether the way is dead or only narrow.
                Send(route, now, ProbeMessage.Length);
                Send(route, now, PathTimings.FullDatagram);
                break;
            case LengthSearch.Done when ping.Length <= route.MaxDatagram:
                if (++route.LengthLost >= 2 && route.ProvenAt >= ping.SentAt)
                {
                    Climb(route, now);
                }
                else if (route.LengthLost < PathTimings.LostForDead)
                {
                    Send(route, now, ping.Length);
                    Send(route, now, ProbeMessage.Length);
                }

                break;
            default:
                break;
        }
    }

    private void Climb(PathRoute route, long now)
    {
        // Longer packets take the stream until this is settled.
        route.IsLengthDoubted = true;
        route.Search = LengthSearch.Ladder;
        route.BestLength = 0;
        route.LengthLost = 0;
        SendLadder(route, now);
    }

    private void SendLadder(PathRoute route, long now)
    {
        foreach (int length in PathTimings.Ladder)
        {
            if (length > route.BestLength)
            {
                Send(route, now, length);
            }
        }

        route.NextLength = now + PathTimings.Timeout(route.RoundTrip);
    }

    private void AdvanceLength(PathRoute route, long now)
    {
        if (now < route.NextLength)
        {
            return;
        }

        switch (route.Search)
        {
            case LengthSearch.Ladder when ++route.LengthLost < LadderRounds:
                SendLadder(route, now);
                break;
            case LengthSearch.Ladder when route.BestLength >= PathTimings.LeastDatagram:
                Settle(route, route.BestLength, now + PathTimings.RaiseLength);
                break;
            case LengthSearch.Ladder:
                // Not even the least passes: of no use, looked at again later.
                route.Search = LengthSearch.None;
                route.MaxDatagram = 0;
                route.NextLength = long.MaxValue;
                break;
            case LengthSearch.Full when route.Lost == 0:
                // So many other pings were out that the one with the full length was forgotten.
                route.NextLength = now + FullPatience;
                Send(route, now, PathTimings.FullDatagram);
                break;
            case LengthSearch.Full:
                route.Search = LengthSearch.None;
                route.NextLength = long.MaxValue;
                break;
            case LengthSearch.Done:
                route.NextLength = now + PathTimings.RaiseLength;
                Send(route, now, PathTimings.FullDatagram);
                break;
            default:
                route.NextLength = long.MaxValue;
                break;
        }
    }

    /// <summary>
    /// At the next answer the search begins anew. Until it ends senders are told the old length. Whether it is relied on depends: a restarted
    /// peer may be anywhere, but of what happens in this machine's network most has nothing to do with the way; the first loss tells.
    /// </summary>
    private static void MeasureAgain(PathRoute route, bool isDoubted)
    {
        route.IsLengthDoubted |= isDoubted && route.Kind != PathKind.RelayStream;
        if (route is { Kind: not PathKind.RelayStream, Search: LengthSearch.Done })
        {
            route.Search = LengthSearch.None;
            route.NextLength = long.MaxValue;
        }
    }

    private static void Settle(PathRoute route, int length, long next)
    {
        route.Search = LengthSearch.Done;
        route.IsLengthDoubted = false;
        route.MaxDatagram = length;
        route.LengthLost = 0;
        route.NextLength = next;
    }
}
