using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Sockets;

namespace Diode.Tunnel.Engine.PerimeterWireGuard;

/// <summary>Socket and adapter of a perimeter's interface. Nothing here waits for long.</summary>
internal interface IPerimeterWireGuardOutput
{
    /// <summary>Sends WireGuard datagrams. Any thread.</summary>
    /// <param name="to">Where the peer is.</param>
    /// <param name="train">One behind the other.</param>
    /// <param name="stride">Length of each but the last, which may be shorter; 0 for one.</param>
    void SendDatagrams(in EndpointAddress to, ReadOnlySpan<byte> train, int stride);

    /// <summary>
    /// Hands a packet to the system, at the latest when all of what was received with it is handled; until then its bytes stay. Thread of
    /// <see cref="PerimeterWireGuardCore.Receive"/>.
    /// </summary>
    void WritePacket(PacketBuffer buffer, int offset, int length);
}
