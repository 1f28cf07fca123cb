using Diode.Tunnel.Engine.Paths;
using Diode.Tunnel.Engine.Peers;
using Diode.Tunnel.Platform.Buffers;

namespace Diode.Tunnel.Engine;

/// <content>Ways to peers beside the relay stream.</content>
public sealed partial class TunnelEngine : IPathEvents
{
    void IPathEvents.OnUdpDatagram(IPath path, PacketBuffer datagram)
    {
        _up?.Pipeline.Receive(path, datagram);
    }

    void IPathEvents.OnUdpDatagramsEnd()
    {
        // The adapter takes packets one by one in this version; a batched write would go out here.
    }

    void IPathEvents.OnPathChosen(TunnelPeer peer)
    {
        _loop.TryPost(() =>
        {
            // What waits for a way can go now.
            _up?.Pipeline.SendWaiting(peer);
            NotifyChanged();
        });
    }

    void IPathEvents.OnCandidatesChanged()
    {
        _loop.TryPost(() =>
        {
            foreach (TunnelPeer peer in _mesh.Peers.Values)
            {
                OfferPaths(peer, isNewLink: false);
            }
        });
    }

    private void OfferPaths(TunnelPeer peer, bool isNewLink)
    {
        if (_up?.Paths is { } paths && peer.Link is { IsOpen: true })
        {
            PeerMesh.Send(peer, paths.MakeOffer(peer, isNewLink));
        }
    }

    private void TickPaths()
    {
        _up?.Paths?.SetRelays(_relays.Ready.Select(static r => r.Endpoint?.Address).OfType<System.Net.IPAddress>());
    }

    /// <summary>Why the path is what it is, for people.</summary>
    private static string ExplainPath(TunnelPeer peer, PathReport? report)
    {
        return report switch
        {
            null or { Kind: PathKind.None } => peer.PathReason,
            { IsSilent: true } => "no answer on any path now",
            { Kind: PathKind.DirectUdp } => "direct",
            { Kind: PathKind.RelayUdp } => "relayed by UDP: no direct path answers",
            { Candidates: 0 } => "relayed: the peer has no address to try",
            { HasAnswer: true } => "relayed: the direct path is not good enough now",
            _ => "relayed: no direct path answers",
        };
    }
}
