using Diode.Tunnel.Engine.Peers;
using Diode.Tunnel.Platform.Buffers;

namespace Diode.Tunnel.Engine.Paths;

/// <summary>What <see cref="PathManager"/> tells the engine, on its own threads and outside its lock.</summary>
internal interface IPathEvents
{
    /// <summary>A WireGuard datagram: packet path, on the socket's receive thread. The buffer is borrowed until the call returns.</summary>
    void OnUdpDatagram(IPath path, PacketBuffer datagram);

    /// <summary>All datagrams of one read have been given to <see cref="OnUdpDatagram"/>.</summary>
    void OnUdpDatagramsEnd();

    /// <summary>The way to a peer has changed: <see cref="TunnelPeer.Chosen"/>.</summary>
    void OnPathChosen(TunnelPeer peer);

    /// <summary>A UDP port at the relay would be a better way to this peer than the stream.</summary>
    void OnRelayPortWanted(TunnelPeer peer);

    /// <summary>A UDP port at a relay is of no use any more.</summary>
    void OnRelayPortUnused(RelayUdpPort port);

    /// <summary>This device is to be found at other addresses than before: peers want to know.</summary>
    void OnCandidatesChanged();
}
