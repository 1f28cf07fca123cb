using System.Buffers.Binary;

namespace Diode.Tunnel.Platform.Tun.Offload;

/// <summary>Cuts super-packets into the packets the network carries, as a network card with TSO or USO would. Pure; allocates nothing.</summary>
public static class Segmenter
{
    private const byte Tcp = 6;
    private const byte Udp = 17;
    private const int Ipv4Addresses = 12;
    private const int Ipv4AddressesLength = 8;
    private const int Ipv6Addresses = 8;
    private const int Ipv6AddressesLength = 32;
    private const int Ipv6Header = 40;
    private const byte LastOnlyFlags = 0x09; // FIN, PSH
    private const byte FirstOnlyFlags = 0x80; // CWR (RFC 3168 §6.1.2)

    /// <summary>
    /// Writes one segment: headers with its own length, IPv4 identification, TCP sequence number and flags and correct checksums, then
    /// its payload.
    /// </summary>
    /// <param name="superPacket">The packet as it was read.</param>
    /// <param name="layout">What <see cref="Buffers.PacketBuffer.Layout"/> says of it.</param>
    /// <param name="index">Which segment, from 0 to below <see cref="SegmentLayout.SegmentCount"/>.</param>
    /// <param name="destination">At least <see cref="SegmentLayout.SegmentLength"/> bytes, not overlapping the packet.</param>
    /// <returns>Length of the segment.</returns>
    public static int Write(ReadOnlySpan<byte> superPacket, in SegmentLayout layout, int index, Span<byte> destination)
    {
        int headerLength = layout.HeaderLength;
        int skipped = index * layout.SegmentSize;
        int length = layout.SegmentLength(superPacket.Length, index);
        int payloadLength = length - headerLength;
        Span<byte> segment = destination[..length];
        superPacket[..headerLength].CopyTo(segment);
        superPacket.Slice(headerLength + skipped, payloadLength).CopyTo(segment[headerLength..]);

        int transportLength = length - layout.ChecksumStart;
        ulong sum = WriteNetworkHeader(segment, layout.ChecksumStart, index);
        Span<byte> transport = segment[layout.ChecksumStart..];
        if (layout.Kind == SegmentKind.Udp)
        {
            sum = VectorChecksum.AddValue(VectorChecksum.AddValue(sum, Udp), (ushort)transportLength);
            BinaryPrimitives.WriteUInt16BigEndian(transport[4..], (ushort)transportLength);
            BinaryPrimitives.WriteUInt16BigEndian(transport[6..], 0);
            ushort checksum = VectorChecksum.Finish(VectorChecksum.Add(transport, sum));
            BinaryPrimitives.WriteUInt16BigEndian(transport[6..], checksum == 0 ? (ushort)0xffff : checksum);
            return length;
        }

        sum = VectorChecksum.AddValue(VectorChecksum.AddValue(sum, Tcp), (ushort)transportLength);
        BinaryPrimitives.WriteUInt32BigEndian(
            transport[4..], BinaryPrimitives.ReadUInt32BigEndian(transport[4..]) + (uint)skipped);
        bool isLast = headerLength + skipped + payloadLength >= superPacket.Length;
        transport[13] &= (byte)~((isLast ? 0 : LastOnlyFlags) | (index == 0 ? 0 : FirstOnlyFlags));
        BinaryPrimitives.WriteUInt16BigEndian(transport[16..], 0);
        BinaryPrimitives.WriteUInt16BigEndian(transport[16..], VectorChecksum.Finish(VectorChecksum.Add(transport, sum)));
        return length;
    }

    /// <summary>Sets the length (and in IPv4 identification and checksum) of the IP header in front of a packet.</summary>
    /// <returns>Sum of the addresses for the pseudo header.</returns>
    private static ulong WriteNetworkHeader(Span<byte> packet, int networkLength, int index)
    {
        if (packet[0] >> 4 == 6)
        {
            BinaryPrimitives.WriteUInt16BigEndian(packet[4..], (ushort)(packet.Length - Ipv6Header));
            return VectorChecksum.Add(packet.Slice(Ipv6Addresses, Ipv6AddressesLength));
        }

        BinaryPrimitives.WriteUInt16BigEndian(packet[2..], (ushort)packet.Length);
        ushort identification = BinaryPrimitives.ReadUInt16BigEndian(packet[4..]);
        BinaryPrimitives.WriteUInt16BigEndian(packet[4..], (ushort)(identification + index));
        BinaryPrimitives.WriteUInt16BigEndian(packet[10..], 0);
        BinaryPrimitives.WriteUInt16BigEndian(packet[10..], VectorChecksum.Finish(VectorChecksum.Add(packet[..networkLength])));
        return VectorChecksum.Add(packet.Slice(Ipv4Addresses, Ipv4AddressesLength));
    }
}
