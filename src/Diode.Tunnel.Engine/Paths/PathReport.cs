using Diode.Tunnel.Engine.Paths.Probing;

namespace Diode.Tunnel.Engine.Paths;

/// <summary>How the ways to a peer stand at one moment, for people.</summary>
/// <param name="Kind">Of the way in use.</param>
/// <param name="RoundTrip">On the way in use, by probes; null unknown.</param>
/// <param name="IsSilent">The way in use does not answer.</param>
/// <param name="Candidates">Direct addresses that were tried.</param>
/// <param name="HasAnswer">A direct way has answered once.</param>
/// <param name="IsKnown">The peer has told how to probe it.</param>
/// <param name="MaxDatagram">Longest datagram of the way in use; 0 unknown.</param>
/// <param name="IsCut">This machine has no way any more to a direct address that has answered.</param>
internal sealed record PathReport(
    PathKind Kind, TimeSpan? RoundTrip, bool IsSilent, int Candidates, bool HasAnswer, bool IsKnown, int MaxDatagram, bool IsCut)
{
    /// <summary>Takes stock.</summary>
    public static PathReport From(ProbeSession session, long now)
    {
        PathAgent agent = session.Agent;
        PathRoute? current = agent.Current;
        int direct = agent.Routes.Count(static r => r.Kind == PathKind.DirectUdp);
        return new PathReport(
            current?.Kind ?? PathKind.None,
            current is { RoundTrip: > 0 } ? TimeSpan.FromTicks(current.RoundTrip) : null,
            agent.IsSilent(now),
            direct,
            agent.Routes.Any(static r => r is { Kind: PathKind.DirectUdp, ProvenAt: > 0 }),
            session.IsReady,
            current?.MaxDatagram ?? 0,
            agent.Routes.Any(static r => r is { Kind: PathKind.DirectUdp, IsUnreachable: true, ProvenAt: > 0 }));
    }
}
