using Diode.Tunnel.Relay.Datagrams;

namespace Diode.Tunnel.Relay.Turn;

/// <summary>Sockets of the TURN server. Any thread.</summary>
internal interface ITurnOutput
{
    /// <summary>Sends to a client from the server's port.</summary>
    void SendToClient(UdpRemote client, ReadOnlySpan<byte> datagram);

    /// <summary>Binds a port for an allocation; null when there is none.</summary>
    ITurnRelay? TryBind(TurnAllocation allocation, bool evenPort);
}

/// <summary>The relayed transport address of one allocation. Any thread.</summary>
internal interface ITurnRelay
{
    /// <summary>Its port.</summary>
    ushort Port { get; }

    /// <summary>Sends to a peer.</summary>
    void Send(TurnPeer peer, ReadOnlySpan<byte> data);

    /// <summary>Ends it; idempotent.</summary>
    void Close();
}
