using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Platform.Buffers;

namespace Diode.Tunnel.Engine.Relays;

/// <summary>
/// What a relay session tells its owner. All but <see cref="OnDatagrams"/> and <see cref="OnDatagramsEnd"/> are meant for the control plane and are called on the
/// session's receive thread outside its lock; the owner posts them to the engine loop.
/// </summary>
internal interface IRelayEvents
{
    /// <summary>The relay has proven its key and accepted the first ticket.</summary>
    void OnReady(RelayConnection relay);

    /// <summary>The session has ended; called once. <paramref name="reason"/> is for people.</summary>
    void OnClosed(RelayConnection relay, string reason);

    /// <summary>Somebody wants to open a port to this device. The source is the relay's claim, not an identity.</summary>
    void OnPortOpenRequested(RelayConnection relay, RelayPortRequest request);

    /// <summary>Bytes of a control port; the owner may keep them.</summary>
    void OnControlData(RelayPort port, byte[] data);

    /// <summary>A port has been closed by the far end, the relay, or the end of the session.</summary>
    void OnPortClosed(RelayPort port);

    /// <summary>
    /// A device wants to meet this one at a UDP port of the relay; answered by <see cref="RelayConnection.AnswerUdpPort"/>. The source is
    /// the relay's claim.
    /// </summary>
    void OnUdpPortRequested(RelayConnection relay, RelayUdpRequest request)
    {
        relay.AnswerUdpPort(request, accept: false);
    }

    /// <summary>
    /// Datagrams of a tunnel port, all with the same first byte: packet path, on the receive thread. The buffer is borrowed until
    /// <see cref="OnDatagramsEnd"/>, its offset and length only until the call returns.
    /// </summary>
    /// <param name="port">Where they came from.</param>
    /// <param name="datagrams">One, or a train of them.</param>
    /// <param name="segmentSize">Size of each but the last, which may be shorter.</param>
    void OnDatagrams(RelayPort port, PacketBuffer datagrams, int segmentSize);

    /// <summary>All datagrams of one read have been given to <see cref="OnDatagrams"/>.</summary>
    void OnDatagramsEnd(RelayConnection relay);
}

/// <summary>What a port carries.</summary>
internal enum RelayPortUse
{
    /// <summary>WireGuard datagrams (<c>udp:41042</c>).</summary>
    Tunnel,

    /// <summary>The control channel (<c>tls:41042</c>).</summary>
    Control,

    /// <summary>A stream or datagrams of a plain Diode port; its bytes go to <see cref="RelayPort.Inbox"/>.</summary>
    Stream,
}

/// <summary>A request to open a port to this device, to be answered by <see cref="RelayConnection.Accept"/> or <see cref="RelayConnection.Reject"/>.</summary>
internal sealed record RelayPortRequest(IncomingPort Incoming, string Name, Address Source);

/// <summary>A request to meet at a UDP port of the relay.</summary>
internal sealed record RelayUdpRequest(ulong RequestId, ushort Port, Address Source, string Name);
