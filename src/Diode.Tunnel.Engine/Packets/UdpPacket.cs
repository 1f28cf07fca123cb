using System.Buffers.Binary;

namespace Diode.Tunnel.Engine.Packets;

/// <summary>Builds UDP packets around datagrams that came another way.</summary>
public static class UdpPacket
{
    /// <summary>Most bytes before the datagram.</summary>
    public const int MaxHeader = 48;

    private const int UdpHeaderLength = 8;
    private const byte HopLimit = 64;

    /// <summary>Writes a whole packet.</summary>
    /// <returns>Its length; 0 if the datagram is too long for one packet or the buffer too short.</returns>
    public static int Write(
        PacketAddress source, ushort sourcePort, PacketAddress destination, ushort destinationPort, ReadOnlySpan<byte> datagram, Span<byte> packet)
    {
        int ipLength = source.IsIpv4 ? 20 : 40;
        int udpLength = UdpHeaderLength + datagram.Length;
        int total = ipLength + udpLength;
        if (udpLength > ushort.MaxValue || (source.IsIpv4 && total > ushort.MaxValue) || packet.Length < total || source.IsIpv4 != destination.IsIpv4)
        {
            return 0;
        }

        Span<byte> whole = packet[..total];
        whole[..(ipLength + UdpHeaderLength)].Clear();
        if (source.IsIpv4)
        {
            whole[0] = 0x45;
            BinaryPrimitives.WriteUInt16BigEndian(whole[2..], (ushort)total);
            whole[8] = HopLimit;
            whole[9] = IpProtocol.Udp;
            source.CopyTo(whole[12..]);
            destination.CopyTo(whole[16..]);
            BinaryPrimitives.WriteUInt16BigEndian(whole[10..], InternetChecksum.Compute(whole[..20]));
        }
        else
        {
            whole[0] = 0x60;
            BinaryPrimitives.WriteUInt16BigEndian(whole[4..], (ushort)udpLength);
            whole[6] = IpProtocol.Udp;
            whole[7] = HopLimit;
            source.CopyTo(whole[8..]);
            destination.CopyTo(whole[24..]);
        }

        Span<byte> udp = whole[ipLength..];
        BinaryPrimitives.WriteUInt16BigEndian(udp, sourcePort);
        BinaryPrimitives.WriteUInt16BigEndian(udp[2..], destinationPort);
        BinaryPrimitives.WriteUInt16BigEndian(udp[4..], (ushort)udpLength);
        datagram.CopyTo(udp[UdpHeaderLength..]);
        if (!IpPacket.TryParse(whole, out IpPacket built))
        {
            return 0;
        }

        InternetChecksum.FixTransport(whole, built);
        return total;
    }
}
