using System.Buffers.Binary;
using Diode.Tunnel.Platform.Tun.Offload;

namespace Diode.Tunnel.Tests.Platform.Tun;

/// <summary>Builds IP packets and checks them with arithmetic of its own, byte by byte.</summary>
internal static class TestPackets
{
    public const byte Fin = 1;
    public const byte Syn = 2;
    public const byte Psh = 8;
    public const byte Ack = 16;

    /// <summary>RFC 1071 as in the paper.</summary>
    public static ushort ScalarSum(ReadOnlySpan<byte> bytes, uint sum = 0)
    {
        for (int i = 0; i < bytes.Length; i++)
        {
            sum += i % 2 == 0 ? (uint)bytes[i] << 8 : bytes[i];
            sum = (sum & 0xffff) + (sum >> 16);
        }

        return (ushort)sum;
    }

    public static byte[] Tcp(
        int version,
        byte[] payload,
        uint seq = 1000,
        byte flags = Ack,
        int options = 12,
        int ack = 77,
        ushort id = 9,
        bool dontFragment = true,
        int sourcePort = 4000,
        byte ttl = 64,
        byte tos = 0)
    {
        byte[] transport = new byte[20 + options + payload.Length];
        BinaryPrimitives.WriteUInt16BigEndian(transport, (ushort)sourcePort);
        BinaryPrimitives.WriteUInt16BigEndian(transport.AsSpan(2), 443);
        BinaryPrimitives.WriteUInt32BigEndian(transport.AsSpan(4), seq);
        BinaryPrimitives.WriteUInt32BigEndian(transport.AsSpan(8), (uint)ack);
        transport[12] = (byte)((20 + options) / 4 << 4);
        transport[13] = flags;
        BinaryPrimitives.WriteUInt16BigEndian(transport.AsSpan(14), 501);
        for (int i = 0; i < options; i++)
        {
            transport[20 + i] = 1;
        }

        payload.CopyTo(transport, 20 + options);
        return Wrap(version, 6, transport, 16, id, dontFragment, ttl, tos);
    }

    public static byte[] Udp(int version, byte[] payload, ushort id = 9, bool dontFragment = true, int sourcePort = 4000)
    {
        byte[] transport = new byte[8 + payload.Length];
        BinaryPrimitives.WriteUInt16BigEndian(transport, (ushort)sourcePort);
        BinaryPrimitives.WriteUInt16BigEndian(transport.AsSpan(2), 443);
        BinaryPrimitives.WriteUInt16BigEndian(transport.AsSpan(4), (ushort)transport.Length);
        payload.CopyTo(transport, 8);
        return Wrap(version, 17, transport, 6, id, dontFragment, 64, 0);
    }

    /// <summary>Lengths, IP and TCP or UDP checksums are what the packet's bytes demand.</summary>
    public static bool IsValid(ReadOnlySpan<byte> packet)
    {
        bool isIpv6 = packet[0] >> 4 == 6;
        int header = isIpv6 ? 40 : (packet[0] & 15) * 4;
        int length = isIpv6
            ? 40 + BinaryPrimitives.ReadUInt16BigEndian(packet[4..])
            : BinaryPrimitives.ReadUInt16BigEndian(packet[2..]);
        byte protocol = isIpv6 ? packet[6] : packet[9];
        ReadOnlySpan<byte> transport = packet[header..];
        return length == packet.Length
            && (isIpv6 || ScalarSum(packet[..header]) == 0xffff)
            && (protocol == 6 || BinaryPrimitives.ReadUInt16BigEndian(transport[4..]) == transport.Length)
            && ScalarSum(transport, PseudoSum(packet, protocol, transport.Length)) == 0xffff;
    }

    /// <summary>Writes the TCP checksum anew.</summary>
    public static void FixChecksum(Span<byte> packet, int network)
    {
        packet.Slice(network + 16, 2).Clear();
        BinaryPrimitives.WriteUInt16BigEndian(
            packet[(network + 16)..], (ushort)~ScalarSum(packet[network..], PseudoSum(packet, 6, packet.Length - network)));
    }

    public static byte[] Random(System.Random random, int length)
    {
        byte[] bytes = new byte[length];
        random.NextBytes(bytes);
        return bytes;
    }

    /// <summary>The packets of a super-packet.</summary>
    public static List<byte[]> Segments(byte[] super, SegmentLayout layout)
    {
        List<byte[]> segments = [];
        byte[] room = new byte[70_000];
        for (int i = 0; i < layout.SegmentCount(super.Length); i++)
        {
            int length = Segmenter.Write(super, in layout, i, room);
            segments.Add(room[..length]);
        }

        return segments;
    }

    private static byte[] Wrap(
        int version, byte protocol, byte[] transport, int checksumOffset, ushort id, bool dontFragment, byte ttl, byte tos)
    {
        int header = version == 6 ? 40 : 20;
        byte[] packet = new byte[header + transport.Length];
        transport.CopyTo(packet, header);
        if (version == 6)
        {
            BinaryPrimitives.WriteUInt32BigEndian(packet, 0x60012345u | ((uint)tos << 20));
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(4), (ushort)transport.Length);
            packet[6] = protocol;
            packet[7] = ttl;
            packet[8] = 0xfd;
            packet[24] = 0xfd;
            packet[39] = 9;
        }
        else
        {
            packet[0] = 0x45;
            packet[1] = tos;
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), (ushort)packet.Length);
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(4), id);
            packet[6] = dontFragment ? (byte)0x40 : (byte)0;
            packet[8] = ttl;
            packet[9] = protocol;
            packet[12] = 100;
            packet[15] = 1;
            packet[16] = 100;
            packet[19] = 2;
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(10), (ushort)~ScalarSum(packet.AsSpan(0, 20)));
        }

        ushort checksum = (ushort)~ScalarSum(packet.AsSpan(header), PseudoSum(packet, protocol, transport.Length));
        BinaryPrimitives.WriteUInt16BigEndian(
            packet.AsSpan(header + checksumOffset), checksum == 0 && protocol == 17 ? (ushort)0xffff : checksum);
        return packet;
    }

    private static uint PseudoSum(ReadOnlySpan<byte> packet, byte protocol, int length) =>
        (uint)(ScalarSum(packet[0] >> 4 == 6 ? packet.Slice(8, 32) : packet.Slice(12, 8)) + protocol + length);
}
