using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Relay.Datagrams;

namespace Diode.Tunnel.Relay.WireGuardExit;

/// <summary>Socket and adapter of the exit. Nothing here waits for long.</summary>
internal interface IExitOutput
{
    /// <summary>Sends WireGuard datagrams to a client. Any thread.</summary>
    /// <param name="remote">Where the client is.</param>
    /// <param name="train">One behind the other.</param>
    /// <param name="stride">Length of each but the last, which may be shorter; 0 for one.</param>
    void SendDatagrams(UdpRemote remote, ReadOnlySpan<byte> train, int stride);

    /// <summary>
    /// Hands a client's packet to the system, which routes it to the internet, at the latest when all of what was received with it is
    /// handled; until then its bytes stay. Thread of <see cref="ExitCore.ReceiveDatagrams"/>.
    /// </summary>
    void WritePacket(PacketBuffer buffer, int offset, int length);
}
