using System.Buffers.Binary;
using Diode.Tunnel.Platform.Buffers;

namespace Diode.Tunnel.Platform.Tun.Offload;

/// <summary>Turns what the kernel hands over (header and packet) into a complete packet, or a super-packet with its layout.</summary>
internal static class PacketCompletion
{
    private const int Ipv4Header = 20;
    private const int Ipv6Header = 40;
    private const int TcpHeader = 20;
    private const int UdpHeader = 8;
    private const int TcpChecksumOffset = 16;

    /// <summary>Completes the packet in a buffer.</summary>
    /// <returns>False if header and packet contradict each other: to be dropped.</returns>
    internal static bool TryComplete(PacketBuffer buffer, in VirtioHeader header)
    {
        buffer.Layout = default;
        bool needsChecksum = (header.Flags & VirtioHeader.NeedsChecksum) != 0;
        return (header.GsoType & ~VirtioHeader.EcnBit) == VirtioHeader.None
            ? !needsChecksum || TryFinishChecksum(buffer.Span, header.ChecksumStart, header.ChecksumOffset)
            : TrySetLayout(buffer, in header, needsChecksum);
    }

    /// <summary>The field holds the sum of the pseudo header; the rest is summed up and the complement stored.</summary>
    private static bool TryFinishChecksum(Span<byte> packet, int start, int offset)
    {
        if (start + offset + 2 > packet.Length)
        {
            return false;
        }

        ushort checksum = VectorChecksum.Finish(VectorChecksum.Add(packet[start..]));
        // A UDP checksum of zero would mean "none" (RFC 768); TCP has its checksum elsewhere and may be zero.
        BinaryPrimitives.WriteUInt16BigEndian(
            packet[(start + offset)..], checksum == 0 && offset != TcpChecksumOffset ? (ushort)0xffff : checksum);
        return true;
    }

    private static bool TrySetLayout(PacketBuffer buffer, in VirtioHeader header, bool needsChecksum)
    {
        ReadOnlySpan<byte> packet = buffer.Span;
        if (packet.Length < Ipv4Header || header.GsoSize == 0)
        {
            return false;
        }

        bool isIpv6 = packet[0] >> 4 == 6;
        // hdr_len is what lies in one piece in the kernel and not the length of the headers: they are read here.
        int network = needsChecksum ? header.ChecksumStart : isIpv6 ? Ipv6Header : (packet[0] & 15) * 4;
        SegmentKind kind = (header.GsoType & ~VirtioHeader.EcnBit) switch
        {
            VirtioHeader.TcpIpv4 when !isIpv6 => SegmentKind.TcpIpv4,
            VirtioHeader.TcpIpv6 when isIpv6 => SegmentKind.TcpIpv6,
            VirtioHeader.Udp => SegmentKind.Udp,
            _ => SegmentKind.None,
        };
        if (kind == SegmentKind.None
            || (isIpv6 ? network < Ipv6Header : network != (packet[0] & 15) * 4 || network < Ipv4Header)
            || network + (kind == SegmentKind.Udp ? UdpHeader : TcpHeader) > packet.Length)
        {
            return false;
        }

        int transport = kind == SegmentKind.Udp ? UdpHeader : (packet[network + 12] >> 4) * 4;
        int headerLength = network + transport;
        if (transport < UdpHeader || (kind != SegmentKind.Udp && transport < TcpHeader) || headerLength >= packet.Length)
        {
            return false;
        }

        buffer.Layout = new SegmentLayout(kind, network, headerLength, header.GsoSize);
        return true;
    }
}
