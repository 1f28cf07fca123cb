using Diode.Tunnel.Engine.ControlChannel;

namespace Diode.Tunnel.Engine.Peers;

/// <summary>What the mesh tells the engine; all on the engine loop.</summary>
internal interface IPeerMeshEvents
{
    /// <summary>The control channel with a peer is open and its hello has been read.</summary>
    void OnPeerHello(TunnelPeer peer, ControlMessage hello);

    /// <summary>A message other than hello, ping and pong.</summary>
    void OnPeerMessage(TunnelPeer peer, ControlMessage message);

    /// <summary>The control channel has gone.</summary>
    void OnPeerLost(TunnelPeer peer, string reason);

    /// <summary>The peer's key has become known or has changed: <see cref="TunnelPeer.TunnelKey"/>.</summary>
    void OnPeerKey(TunnelPeer peer);

    /// <summary>The device has turned out to be a plain Diode device: <see cref="TunnelPeer.IsPlain"/>.</summary>
    void OnPeerPlain(TunnelPeer peer);

    /// <summary>The peer's path has changed: <see cref="TunnelPeer.Path"/>.</summary>
    void OnPeerPath(TunnelPeer peer);

    /// <summary>The hello this device sends to a peer now.</summary>
    ControlMessage MakeHello(TunnelPeer peer);
}
