using System.Buffers.Binary;

namespace Diode.Tunnel.Engine.Packets;

/// <summary>Lowers the maximum segment size announced in TCP SYN packets to what a path carries.</summary>
public static class TcpMss
{
    private const byte EndOfOptions = 0;
    private const byte NoOperation = 1;
    private const byte MaximumSegmentSize = 2;

    /// <summary>
    /// Clamps the MSS option of a SYN or SYN-ACK to <paramref name="mtu"/> minus the IP and TCP headers, in place, with the checksum
    /// kept right. A SYN without the option is left alone (RFC 9293: 536 or 1220 apply, which fit everywhere).
    /// </summary>
    /// <param name="buffer">The packet.</param>
    /// <param name="packet">Its parsed form.</param>
    /// <param name="mtu">Largest IP packet the path carries, in bytes.</param>
    /// <returns>Whether the packet was changed.</returns>
    public static bool Clamp(Span<byte> buffer, in IpPacket packet, int mtu)
    {
        if (packet.Protocol != IpProtocol.Tcp || !packet.HasPorts || (packet.Flags & TcpFlags.Syn) == 0)
        {
            return false;
        }

        int limit = mtu - (packet.IsIpv4 ? 20 : 40) - 20;
        Span<byte> tcp = buffer[packet.TransportOffset..packet.TotalLength];
        int end = (tcp[12] >> 4) * 4;
        for (int offset = 20; offset < end;)
        {
            byte kind = tcp[offset];
            if (kind == EndOfOptions)
            {
                return false;
            }

            if (kind == NoOperation)
            {
                offset++;
                continue;
            }

            if (offset + 1 >= end || tcp[offset + 1] < 2 || offset + tcp[offset + 1] > end)
            {
                return false; // malformed options: not ours to repair
            }

            if (kind == MaximumSegmentSize && tcp[offset + 1] == 4)
            {
                return Lower(tcp, offset + 2, limit);
            }

            offset += tcp[offset + 1];
        }

        return false;
    }

    private static bool Lower(Span<byte> tcp, int offset, int limit)
    {
        ushort announced = BinaryPrimitives.ReadUInt16BigEndian(tcp[offset..]);
        if (announced <= limit || limit <= 0)
        {
            return false;
        }

        // The option may start at an odd offset: then the checksum sees its bytes swapped (RFC 1071 §2 (B)).
        bool odd = (offset & 1) != 0;
        ushort oldWord = odd ? BinaryPrimitives.ReverseEndianness(announced) : announced;
        ushort newWord = odd ? BinaryPrimitives.ReverseEndianness((ushort)limit) : (ushort)limit;
        ushort checksum = BinaryPrimitives.ReadUInt16BigEndian(tcp[16..]);
        BinaryPrimitives.WriteUInt16BigEndian(tcp[offset..], (ushort)limit);
        BinaryPrimitives.WriteUInt16BigEndian(tcp[16..], InternetChecksum.Update(checksum, oldWord, newWord));
        return true;
    }
}
