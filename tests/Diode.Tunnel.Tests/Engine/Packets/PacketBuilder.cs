using System.Buffers.Binary;
using System.Net;
using Diode.Tunnel.Engine.Packets;

namespace Diode.Tunnel.Tests.Engine.Packets;

/// <summary>Builds correct IP packets for tests, independently of the code under test where it matters (checksums are naive).</summary>
internal static class PacketBuilder
{
    public static byte[] Udp(string source, string destination, ushort sourcePort, ushort destinationPort, int payload = 16)
    {
        byte[] segment = new byte[8 + payload];
        Ports(segment, sourcePort, destinationPort);
        BinaryPrimitives.WriteUInt16BigEndian(segment.AsSpan(4), (ushort)segment.Length);
        Fill(segment.AsSpan(8));
        return Ip(source, destination, IpProtocol.Udp, segment, 6);
    }

    public static byte[] Tcp(
        string source, string destination, ushort sourcePort, ushort destinationPort, byte flags, byte[]? options = null, int payload = 0)
    {
        options ??= [];
        byte[] segment = new byte[20 + options.Length + payload];
        Ports(segment, sourcePort, destinationPort);
        segment[12] = (byte)((20 + options.Length) / 4 << 4);
        segment[13] = flags;
        options.CopyTo(segment, 20);
        Fill(segment.AsSpan(20 + options.Length));
        return Ip(source, destination, IpProtocol.Tcp, segment, 16);
    }

    public static byte[] Echo(string source, string destination, bool reply = false, ushort id = 77)
    {
        bool v4 = IPAddress.Parse(source).GetAddressBytes().Length == 4;
        byte[] message = new byte[24];
        message[0] = v4 ? (byte)(reply ? 0 : 8) : (byte)(reply ? 129 : 128);
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(4), id);
        Fill(message.AsSpan(8));
        return Ip(source, destination, v4 ? IpProtocol.Icmp : IpProtocol.IcmpV6, message, 2);
    }

    public static byte[] Icmp(string source, string destination, byte type, byte code, ReadOnlySpan<byte> body)
    {
        bool v4 = IPAddress.Parse(source).GetAddressBytes().Length == 4;
        byte[] message = new byte[8 + body.Length];
        message[0] = type;
        message[1] = code;
        body.CopyTo(message.AsSpan(8));
        return Ip(source, destination, v4 ? IpProtocol.Icmp : IpProtocol.IcmpV6, message, 2);
    }

    public static byte[] Ip(string source, string destination, byte protocol, byte[] segment, int checksumAt = -1, byte[]? extensions = null)
    {
        byte[] from = IPAddress.Parse(source).GetAddressBytes();
        byte[] to = IPAddress.Parse(destination).GetAddressBytes();
        if (checksumAt >= 0)
        {
            byte[] pseudo = protocol == IpProtocol.Icmp
                ? segment
                : [.. from, .. to, 0, 0, (byte)(segment.Length >> 8), (byte)segment.Length, 0, 0, 0, protocol, .. segment];
            BinaryPrimitives.WriteUInt16BigEndian(segment.AsSpan(checksumAt), Checksum(pseudo));
        }

        extensions ??= [];
        if (from.Length == 4)
        {
            byte[] packet = [0x45, 0, 0, 0, 0, 1, 0, 0, 64, protocol, 0, 0, .. from, .. to, .. extensions, .. segment];
            packet[0] += (byte)(extensions.Length / 4);
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), (ushort)packet.Length);
            FixHeader(packet);
            return packet;
        }

        byte first = extensions.Length == 0 ? protocol : (byte)0;
        byte[] packet6 = [0x60, 0, 0, 0, 0, 0, first, 64, .. from, .. to, .. extensions, .. segment];
        BinaryPrimitives.WriteUInt16BigEndian(packet6.AsSpan(4), (ushort)(packet6.Length - 40));
        return packet6;
    }

    public static void FixHeader(byte[] packet)
    {
        packet[10] = packet[11] = 0;
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(10), Checksum(packet.AsSpan(0, (packet[0] & 15) * 4)));
    }

    public static ushort Checksum(ReadOnlySpan<byte> data)
    {
        uint sum = 0;
        for (int i = 0; i < data.Length; i++)
        {
            sum += (i & 1) == 0 ? (uint)data[i] << 8 : data[i];
            sum = (sum & 0xFFFF) + (sum >> 16);
        }

        return (ushort)~sum;
    }

    /// <summary>Verifies the IP header and transport checksums from scratch.</summary>
    public static bool IsSound(ReadOnlySpan<byte> packet)
    {
        if (!IpPacket.TryParse(packet, out IpPacket ip))
        {
            return false;
        }

        if (ip.IsIpv4 && Checksum(packet[..((packet[0] & 15) * 4)]) != 0)
        {
            return false;
        }

        ReadOnlySpan<byte> segment = packet[ip.TransportOffset..ip.TotalLength];
        if (ip.Protocol == IpProtocol.Udp && segment[6] == 0 && segment[7] == 0)
        {
            return ip.IsIpv4;
        }

        byte[] from = ip.Source.ToIPAddress().GetAddressBytes();
        byte[] to = ip.Destination.ToIPAddress().GetAddressBytes();
        byte[] covered = ip.Protocol == IpProtocol.Icmp
            ? segment.ToArray()
            : [.. from, .. to, 0, 0, (byte)(segment.Length >> 8), (byte)segment.Length, 0, 0, 0, ip.Protocol, .. segment];
        return Checksum(covered) == 0;
    }

    public static IpPacket Parse(ReadOnlySpan<byte> packet)
    {
        return IpPacket.TryParse(packet, out IpPacket ip) ? ip : throw new InvalidOperationException("the test built a bad packet");
    }

    private static void Ports(Span<byte> segment, ushort source, ushort destination)
    {
        BinaryPrimitives.WriteUInt16BigEndian(segment, source);
        BinaryPrimitives.WriteUInt16BigEndian(segment[2..], destination);
    }

    private static void Fill(Span<byte> data)
    {
        for (int i = 0; i < data.Length; i++)
        {
            data[i] = (byte)(i * 7);
        }
    }
}
