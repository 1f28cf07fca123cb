using System.Buffers.Binary;

namespace Diode.Tunnel.WireGuard.Transport;

/// <summary>The little of an IP packet that WireGuard looks at: version, length without padding, addresses (§5.4.6).</summary>
internal static class InnerPacket
{
    private const int Ipv4HeaderLength = 20;
    private const int Ipv6HeaderLength = 40;

    /// <summary>Length of the packet at the start of a padded buffer. False if it is no IP packet or does not fit.</summary>
    public static bool TryGetLength(ReadOnlySpan<byte> padded, out int length)
    {
        length = 0;
        switch (Version(padded))
        {
            case 4 when padded.Length >= Ipv4HeaderLength:
                length = BinaryPrimitives.ReadUInt16BigEndian(padded[2..]);
                return length >= Ipv4HeaderLength && length <= padded.Length;
            case 6 when padded.Length >= Ipv6HeaderLength:
                length = Ipv6HeaderLength + BinaryPrimitives.ReadUInt16BigEndian(padded[4..]);
                return length <= padded.Length;
            default:
                return false;
        }
    }

    /// <summary>Source address, 4 or 16 bytes; empty if there is none.</summary>
    public static ReadOnlySpan<byte> Source(ReadOnlySpan<byte> packet)
    {
        return Version(packet) switch
        {
            4 when packet.Length >= Ipv4HeaderLength => packet.Slice(12, 4),
            6 when packet.Length >= Ipv6HeaderLength => packet.Slice(8, 16),
            _ => [],
        };
    }

    /// <summary>Destination address, 4 or 16 bytes; empty if there is none.</summary>
    public static ReadOnlySpan<byte> Destination(ReadOnlySpan<byte> packet)
    {
        return Version(packet) switch
        {
            4 when packet.Length >= Ipv4HeaderLength => packet.Slice(16, 4),
            6 when packet.Length >= Ipv6HeaderLength => packet.Slice(24, 16),
            _ => [],
        };
    }

    private static int Version(ReadOnlySpan<byte> packet)
    {
        return packet.IsEmpty ? 0 : packet[0] >> 4;
    }
}
