using Diode.Tunnel.Engine.Peers;
using Diode.Tunnel.Platform.Buffers;

namespace Diode.Tunnel.Engine.Paths;

/// <summary>What <see cref="PathManager"/> tells the engine, on its own threads and outside its lock.</summary>
internal interface IPathEvents
{
    /// <summary>
    /// WireGuard datagrams: packet path, on the receive thread of a socket. The buffer is borrowed until <see cref="OnUdpDatagramsEnd"/>.
    /// </summary>
    /// <param name="socket">Which socket: 0 is IPv4, 1 is IPv6.</param>
    /// <param name="path">Where they came from.</param>
    /// <param name="datagrams">One, or a train of them.</param>
    /// <param name="segmentSize">Size of each but the last; 0: there is only one.</param>
    void OnUdpDatagrams(int socket, IPath path, PacketBuffer datagrams, int segmentSize);

    /// <summary>All datagrams of one read have been given to <see cref="OnUdpDatagrams"/>.</summary>
    /// <param name="socket">Which socket.</param>
    void OnUdpDatagramsEnd(int socket);

    /// <summary>The way to a peer has changed: <see cref="TunnelPeer.Chosen"/>.</summary>
    void OnPathChosen(TunnelPeer peer);

    /// <summary>A UDP port at the relay would be a better way to this peer than the stream.</summary>
    void OnRelayPortWanted(TunnelPeer peer);

    /// <summary>A UDP port at a relay is of no use any more.</summary>
    void OnRelayPortUnused(RelayUdpPort port);

    /// <summary>This device is to be found at other addresses than before: peers want to know.</summary>
    void OnCandidatesChanged();
}
