using System.Buffers.Binary;

namespace Diode.Tunnel.Engine.Packets;

/// <summary>The Internet checksum: full (RFC 1071) and incremental (RFC 1624, equation 3).</summary>
public static class InternetChecksum
{
    /// <summary>Checksum of a block, as it is stored in a header whose own checksum field is zero.</summary>
    public static ushort Compute(ReadOnlySpan<byte> data)
    {
        return (ushort)~Fold(Sum(data, 0));
    }

    /// <summary>
    /// Checksum of a TCP, UDP or ICMPv6 segment with its pseudo header. The segment's checksum field counts as it is:
    /// zero it to compute, leave it to verify (result 0 = good).
    /// </summary>
    public static ushort ComputeTransport(in IpPacket packet, ReadOnlySpan<byte> segment)
    {
        Span<byte> addresses = stackalloc byte[32];
        int length = packet.Source.CopyTo(addresses);
        length += packet.Destination.CopyTo(addresses[length..]);
        ulong sum = Sum(addresses[..length], packet.Protocol + (ulong)segment.Length);
        return (ushort)~Fold(Sum(segment, sum));
    }

    /// <summary>
    /// Recomputes the transport checksum of a whole (unfragmented) TCP, UDP or ICMP packet in place, and nothing else.
    /// </summary>
    public static void FixTransport(Span<byte> buffer, in IpPacket packet)
    {
        int field = FieldOffset(packet);
        if (field < 0 || packet.IsFragment)
        {
            return;
        }

        Span<byte> segment = buffer[packet.TransportOffset..packet.TotalLength];
        segment[field] = 0;
        segment[field + 1] = 0;
        ushort checksum = packet.Protocol == IpProtocol.Icmp ? Compute(segment) : ComputeTransport(packet, segment);
        if (checksum == 0 && packet.Protocol == IpProtocol.Udp)
        {
            checksum = 0xFFFF; // zero means "none" in UDP (RFC 768)
        }

        BinaryPrimitives.WriteUInt16BigEndian(segment[field..], checksum);
    }

    /// <summary>The checksum after one 16-bit word it covers has changed.</summary>
    public static ushort Update(ushort checksum, ushort oldWord, ushort newWord)
    {
        return (ushort)~Fold((ulong)(ushort)~checksum + (ushort)~oldWord + newWord);
    }

    /// <summary>The checksum after one aligned 32-bit word it covers has changed (an IPv4 address).</summary>
    public static ushort Update(ushort checksum, uint oldWord, uint newWord)
    {
        ulong sum = (ulong)(ushort)~checksum
            + (ushort)~(oldWord >> 16) + (ushort)~oldWord
            + (newWord >> 16) + (ushort)newWord;
        return (ushort)~Fold(sum);
    }

    /// <summary>Offset of the checksum inside the transport header, or -1 if the packet has none we know.</summary>
    internal static int FieldOffset(in IpPacket packet)
    {
        return packet.Protocol switch
        {
            IpProtocol.Tcp when packet.HasPorts => 16,
            IpProtocol.Udp when packet.HasPorts => 6,
            IpProtocol.Icmp or IpProtocol.IcmpV6 when packet.Icmp != IcmpKind.None => 2,
            _ => -1,
        };
    }

    // One's-complement sums may be taken in wide words and folded at the end (RFC 1071 §2).
    private static ulong Sum(ReadOnlySpan<byte> data, ulong sum)
    {
        while (data.Length >= 8)
        {
            ulong word = BinaryPrimitives.ReadUInt64BigEndian(data);
            sum += (word >> 32) + (uint)word;
            data = data[8..];
        }

        while (data.Length >= 2)
        {
            sum += BinaryPrimitives.ReadUInt16BigEndian(data);
            data = data[2..];
        }

        return data.IsEmpty ? sum : sum + ((ulong)data[0] << 8);
    }

    private static ushort Fold(ulong sum)
    {
        while (sum >> 16 != 0)
        {
            sum = (sum & 0xFFFF) + (sum >> 16);
        }

        return (ushort)sum;
    }
}
