using System.Buffers.Binary;

namespace Diode.Tunnel.Engine.Packets;

/// <summary>Builds the TCP reset that answers a segment nobody wants (RFC 9293 §3.10.7.1).</summary>
public static class TcpReset
{
    /// <summary>Buffer size that is always enough.</summary>
    public const int MaxLength = 60;

    private const int TcpHeaderLength = 20;
    private const byte HopLimit = 64;

    /// <summary>Writes the answer to a segment; it seems to come from where the segment went.</summary>
    /// <param name="original">The packet.</param>
    /// <param name="packet">Its parsed form.</param>
    /// <param name="reply">At least <see cref="MaxLength"/> bytes.</param>
    /// <returns>Bytes written; 0 if there is no answer: not a whole TCP segment, or itself a reset.</returns>
    public static int Write(ReadOnlySpan<byte> original, in IpPacket packet, Span<byte> reply)
    {
        if (packet.Protocol != IpProtocol.Tcp || !packet.HasPorts || packet.IsFragment || (packet.Flags & TcpFlags.Rst) != 0
            || packet.TransportLength < TcpHeaderLength)
        {
            return 0;
        }

        int ipLength = packet.IsIpv4 ? 20 : 40;
        Span<byte> whole = reply[..(ipLength + TcpHeaderLength)];
        whole.Clear();
        WriteIpHeader(whole, packet);
        ReadOnlySpan<byte> segment = original[packet.TransportOffset..packet.TotalLength];
        Span<byte> tcp = whole[ipLength..];
        BinaryPrimitives.WriteUInt16BigEndian(tcp, packet.DestinationPort);
        BinaryPrimitives.WriteUInt16BigEndian(tcp[2..], packet.SourcePort);
        tcp[12] = (TcpHeaderLength / 4) << 4;
        if ((packet.Flags & TcpFlags.Ack) != 0)
        {
            segment.Slice(8, 4).CopyTo(tcp[4..]);
            tcp[13] = TcpFlags.Rst;
        }
        else
        {
            uint sequence = BinaryPrimitives.ReadUInt32BigEndian(segment[4..]);
            int data = segment.Length - ((segment[12] >> 4) * 4);
            uint counted = (uint)Math.Max(data, 0) + ((packet.Flags & TcpFlags.Syn) != 0 ? 1u : 0) + ((packet.Flags & TcpFlags.Fin) != 0 ? 1u : 0);
            BinaryPrimitives.WriteUInt32BigEndian(tcp[8..], sequence + counted);
            tcp[13] = TcpFlags.Rst | TcpFlags.Ack;
        }

        if (!IpPacket.TryParse(whole, out IpPacket built))
        {
            return 0;
        }

        InternetChecksum.FixTransport(whole, built);
        return whole.Length;
    }

    private static void WriteIpHeader(Span<byte> whole, in IpPacket packet)
    {
        if (packet.IsIpv4)
        {
            whole[0] = 0x45;
            BinaryPrimitives.WriteUInt16BigEndian(whole[2..], (ushort)whole.Length);
            whole[6] = 0x40;
            whole[8] = HopLimit;
            whole[9] = IpProtocol.Tcp;
            packet.Destination.CopyTo(whole[12..]);
            packet.Source.CopyTo(whole[16..]);
            BinaryPrimitives.WriteUInt16BigEndian(whole[10..], InternetChecksum.Compute(whole[..20]));
        }
        else
        {
            whole[0] = 0x60;
            BinaryPrimitives.WriteUInt16BigEndian(whole[4..], TcpHeaderLength);
            whole[6] = IpProtocol.Tcp;
            whole[7] = HopLimit;
            packet.Destination.CopyTo(whole[8..]);
            packet.Source.CopyTo(whole[24..]);
        }
    }
}
