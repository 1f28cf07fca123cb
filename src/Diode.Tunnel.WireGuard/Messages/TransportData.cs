using System.Buffers.Binary;

namespace Diode.Tunnel.WireGuard.Messages;

/// <summary>Header of a transport message (WireGuard §5.4.6).</summary>
/// <remarks>
/// <code>
///   0        1                4                8                 16
///  +--------+----------------+----------------+-----------------+----------------------------+
///  | type=4 | reserved = 0   | receiver index | counter         | padded packet ‖ tag, sealed |
///  +--------+----------------+----------------+-----------------+----------------------------+
/// </code>
/// A packet of no bytes is a keepalive.
/// </remarks>
internal static class TransportData
{
    public const int HeaderLength = WireGuardConstants.TransportHeaderLength;
    public const int MinLength = HeaderLength + WireGuardConstants.TagLength;

    public static uint ReceiverIndex(ReadOnlySpan<byte> datagram)
    {
        return BinaryPrimitives.ReadUInt32LittleEndian(datagram[4..]);
    }

    public static ulong Counter(ReadOnlySpan<byte> datagram)
    {
        return BinaryPrimitives.ReadUInt64LittleEndian(datagram[8..]);
    }

    public static void WriteHeader(Span<byte> datagram, uint receiverIndex, ulong counter)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(datagram, (uint)MessageType.TransportData);
        BinaryPrimitives.WriteUInt32LittleEndian(datagram[4..], receiverIndex);
        BinaryPrimitives.WriteUInt64LittleEndian(datagram[8..], counter);
    }
}
