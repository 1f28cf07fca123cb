using Diode.Tunnel.Engine.Paths;
using Diode.Tunnel.Engine.Peers;
using Diode.Tunnel.Engine.Relays;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Network;
using Diode.Tunnel.Platform.Sockets;

namespace Diode.Tunnel.Engine;

/// <content>Ways to peers beside the relay stream.</content>
public sealed partial class TunnelEngine : IPathEvents
{
    /// <summary>How long the device with the higher address leaves it to the other to ask for a UDP port.</summary>
    private static readonly TimeSpan HigherWaits = TimeSpan.FromSeconds(3);

    void IPathEvents.OnUdpDatagrams(int socket, IPath path, PacketBuffer datagrams, int segmentSize)
    {
        _up?.Receivers[socket].Take(path, datagrams, segmentSize);
    }

    void IPathEvents.OnUdpDatagramsEnd(int socket)
    {
        _up?.Receivers[socket].Flush();
    }

    void IPathEvents.OnPathChosen(TunnelPeer peer)
    {
        _loop.TryPost(() =>
        {
            Log.PathChosen(_logger, peer.Device.ToString(), peer.CurrentPath is { } path ? $"{path.Kind} {path.Via}" : "none");

            // What waits for a way can go now.
            _up?.Pipeline.SendWaiting(peer);
            NotifyChanged();
        });
    }

    void IPathEvents.OnRelayPortWanted(TunnelPeer peer)
    {
        // One of the two asks, so that there is one port; the other only if nothing came of it.
        TimeSpan patience = _keys.Device < peer.Device ? TimeSpan.Zero : HigherWaits;
        _loop.TryPost(() =>
        {
            long now = _time.GetTimestamp();
            peer.RelayPortWanted = peer.RelayPortWanted == 0 ? now : peer.RelayPortWanted;
            if (_time.GetElapsedTime(peer.RelayPortWanted, now) >= patience)
            {
                peer.RelayPortWanted = 0;
                OpenUdpPort(peer);
            }
        });
    }

    void IPathEvents.OnRelayPortUnused(RelayUdpPort port)
    {
        _loop.TryPost(() => port.Relay.CloseUdpPort((ushort)port.Endpoint.Port));
    }

    void IPathEvents.OnCandidatesChanged()
    {
        _loop.TryPost(() =>
        {
            foreach (TunnelPeer peer in _mesh.Peers.Values)
            {
                OfferPaths(peer);
            }
        });
    }

    private void OfferPaths(TunnelPeer peer)
    {
        if (_up?.Paths is { } paths && peer.Link is { IsOpen: true })
        {
            PeerMesh.Send(peer, paths.MakeOffer(peer));
        }
    }

    private void OpenUdpPort(TunnelPeer peer)
    {
        if (peer.Tunnel.Port?.Relay is not { } relay)
        {
            return;
        }

        relay.OpenUdpPort(peer.Device, RelayConnection.MeshUdpPort, (place, _) => _loop.TryPost(() =>
        {
            if (place is not null)
            {
                AddUdpPort(peer, relay, place);
            }
        }));
    }

    /// <summary>Only peers that this device probes may make it use a port; what they prove there is their key.</summary>
    private void AnswerUdpPort(RelayConnection relay, RelayUdpRequest request)
    {
        TunnelPeer? peer = null;
        bool isPeer = request.Name == RelayConnection.MeshUdpPort
            && _mesh.Peers.TryGetValue(request.Source, out peer) && _up?.Paths?.IsKnown(peer) == true;
        if (!isPeer && _perimeterInterface.TryAnswer(relay, request))
        {
            return;
        }

        if (relay.AnswerUdpPort(request, isPeer) is { } place && isPeer)
        {
            peer!.RelayPortWanted = 0;
            AddUdpPort(peer, relay, place);
        }
    }

    private void AddUdpPort(TunnelPeer peer, RelayConnection relay, System.Net.IPEndPoint place)
    {
        if (!EndpointAddress.TryFrom(place, out EndpointAddress endpoint)
            || _up?.Paths?.AddRelayPort(peer, new RelayUdpPort(relay, endpoint)) != true)
        {
            relay.CloseUdpPort((ushort)place.Port);
        }
    }

    /// <summary>What is not told in time is noticed by pings, and addresses are looked at now and then.</summary>
    private void WatchNetwork(UpState up)
    {
        try
        {
            up.Network = SystemNetworkEvents.Start(change =>
            {
                up.Paths?.NetworkChanged();
                _loop.TryPost(() =>
                {
                    if (ReferenceEquals(_up, up))
                    {
                        _relays.NetworkChanged(LocalAddresses.Read(up.Adapter.Name, PerimeterAdapterPrefix));
                    }
                });
            });
            up.Network.IgnoredInterface = up.Adapter.InterfaceIndex;
        }
        catch (PlatformException)
        {
            up.Network = null;
        }
    }

    private void TickPaths()
    {
        foreach (TunnelPeer peer in _mesh.Peers.Values)
        {
            // It lived on after its relay had gone; now it does not answer any more.
            if (peer is { LinkLost: not null, LivesOnPath: false })
            {
                Lose(peer);
                NotifyChanged();
            }
        }

        _up?.Paths?.SetRelays(_relays.Ready.Select(static r => r.Endpoint?.Address).OfType<System.Net.IPAddress>());
    }

    /// <summary>Why the path is what it is, for people.</summary>
    private string ExplainPath(TunnelPeer peer, PathReport? report)
    {
        string how = report?.Kind == PathKind.RelayUdp ? "relayed by UDP" : "relayed";
        string here = _up?.Paths?.Reach == UdpReach.Varying ? " (this device is behind a symmetric NAT)" : "";
        return report switch
        {
            _ when _options.Paths == PathChoice.Stream => "relayed: no other path is allowed (paths: stream)",
            null or { Kind: PathKind.None } => peer.PathReason,
            { IsSilent: true } => "no answer on any path now",
            { Kind: PathKind.DirectUdp } => "direct",
            { IsKnown: false } => "relayed: the peer does not say how to reach it directly",
            _ when _options.Paths == PathChoice.Relay => how + ": direct paths are not allowed (paths: relay)",
            _ when _up?.Paths?.Reach == UdpReach.Blocked && !_mesh.Peers.Values.Any(static p => p.LivesOnPath) => how + ": UDP is blocked here",
            { Candidates: 0 } => how + ": the peer allows no direct path",
            { IsCut: true } => how + ": this machine has no route to the peer's address now, see 'ip route get'",
            { HasAnswer: true } => how + ": the direct path is not good enough now",
            _ => $"{how}: no direct path answers{here}",
        };
    }
}
