using Diode.Tunnel.Relay.Datagrams;

namespace Diode.Tunnel.Relay.WireGuardExit;

/// <summary>Socket and adapter of the exit. Any thread; nothing here waits for long.</summary>
internal interface IExitOutput
{
    /// <summary>Sends a WireGuard datagram to a client.</summary>
    void SendDatagram(UdpRemote remote, ReadOnlySpan<byte> datagram);

    /// <summary>Hands a client's packet to the system, which routes it to the internet.</summary>
    void WritePacket(ReadOnlySpan<byte> packet);
}
