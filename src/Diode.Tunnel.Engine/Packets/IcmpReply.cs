using System.Buffers.Binary;

namespace Diode.Tunnel.Engine.Packets;

/// <summary>
/// Builds ICMP errors about a packet into a caller's buffer. A length of 0 means: no error may be sent about this packet
/// (it is itself an error, a later fragment, or not from or to a single host: RFC 1122 §3.2.2, RFC 4443 §2.4) or the buffer is too small.
/// </summary>
public static class IcmpReply
{
    /// <summary>Buffer size that is always enough.</summary>
    public const int MaxLength = 1280;

    private const int Ipv4Limit = 576; // RFC 1812 §4.3.2.3
    private const int Ipv6Limit = 1280; // RFC 4443 §2.4 (c)

    /// <summary>Writes "destination unreachable".</summary>
    /// <param name="original">The offending packet as the receiver of the error sent it.</param>
    /// <param name="packet">Its parsed form.</param>
    /// <param name="source">Who says so: an address of the same family (usually the original destination).</param>
    /// <param name="reason">Why.</param>
    /// <param name="reply">Receives the packet.</param>
    /// <returns>Bytes written, or 0.</returns>
    public static int WriteUnreachable(
        ReadOnlySpan<byte> original, in IpPacket packet, PacketAddress source, UnreachableReason reason, Span<byte> reply)
    {
        (byte type, byte code) = packet.IsIpv4
            ? ((byte)3, reason switch
            {
                UnreachableReason.NoRoute => (byte)0,
                UnreachableReason.Host => (byte)1,
                UnreachableReason.Port => (byte)3,
                _ => (byte)13,
            })
            : ((byte)1, reason switch
            {
                UnreachableReason.NoRoute => (byte)0,
                UnreachableReason.Host => (byte)3,
                UnreachableReason.Port => (byte)4,
                _ => (byte)1,
            });
        return Write(original, packet, source, type, code, 0, reply);
    }

    /// <summary>Writes "packet too big" (IPv6) or "fragmentation needed" (IPv4) with the MTU that fits.</summary>
    /// <param name="original">The offending packet.</param>
    /// <param name="packet">Its parsed form. An IPv4 packet that may be fragmented gets an answer too; ask only where you would drop it.</param>
    /// <param name="source">Who says so.</param>
    /// <param name="mtu">Largest IP packet that passes, in bytes; raised to the family's minimum (68, 1280).</param>
    /// <param name="reply">Receives the packet.</param>
    /// <returns>Bytes written, or 0.</returns>
    public static int WriteTooBig(ReadOnlySpan<byte> original, in IpPacket packet, PacketAddress source, int mtu, Span<byte> reply)
    {
        return packet.IsIpv4
            ? Write(original, packet, source, 3, 4, (uint)Math.Clamp(mtu, 68, 0xFFFF), reply)
            : Write(original, packet, source, 2, 0, (uint)Math.Max(mtu, 1280), reply);
    }

    private static int Write(
        ReadOnlySpan<byte> original, in IpPacket packet, PacketAddress source, byte type, byte code, uint field, Span<byte> reply)
    {
        int headerLength = packet.IsIpv4 ? 20 : 40;
        int quoted = Math.Min(packet.TotalLength, (packet.IsIpv4 ? Ipv4Limit : Ipv6Limit) - headerLength - 8);
        int length = headerLength + 8 + quoted;
        if (!IsAnswerable(packet) || source.IsIpv4 != packet.IsIpv4 || reply.Length < length || original.Length < quoted)
        {
            return 0;
        }

        reply = reply[..length];
        reply[..(headerLength + 8)].Clear();
        Span<byte> message = reply[headerLength..];
        message[0] = type;
        message[1] = code;
        BinaryPrimitives.WriteUInt32BigEndian(message[4..], field);
        original[..quoted].CopyTo(message[8..]);
        if (packet.IsIpv4)
        {
            WriteIpv4Header(reply, source, packet.Source);
            BinaryPrimitives.WriteUInt16BigEndian(message[2..], InternetChecksum.Compute(message));
        }
        else
        {
            WriteIpv6Header(reply, source, packet.Source);
            _ = IpPacket.TryParse(reply, out IpPacket built);
            InternetChecksum.FixTransport(reply, built);
        }

        return length;
    }

    private static bool IsAnswerable(in IpPacket packet)
    {
        bool redirect = packet.Icmp == IcmpKind.Other && packet.IsIpv4;
        return packet.Icmp != IcmpKind.Error && !redirect && !packet.IsLaterFragment
            && !packet.Source.IsMulticastOrBroadcast && !packet.Source.IsUnspecifiedOrLoopback
            && !packet.Destination.IsMulticastOrBroadcast;
    }

    private static void WriteIpv4Header(Span<byte> packet, PacketAddress source, PacketAddress destination)
    {
        packet[0] = 0x45;
        BinaryPrimitives.WriteUInt16BigEndian(packet[2..], (ushort)packet.Length);
        packet[8] = 64;
        packet[9] = IpProtocol.Icmp;
        source.CopyTo(packet[12..]);
        destination.CopyTo(packet[16..]);
        BinaryPrimitives.WriteUInt16BigEndian(packet[10..], InternetChecksum.Compute(packet[..20]));
    }

    private static void WriteIpv6Header(Span<byte> packet, PacketAddress source, PacketAddress destination)
    {
        packet[0] = 0x60;
        BinaryPrimitives.WriteUInt16BigEndian(packet[4..], (ushort)(packet.Length - 40));
        packet[6] = IpProtocol.IcmpV6;
        packet[7] = 64;
        source.CopyTo(packet[8..]);
        destination.CopyTo(packet[24..]);
    }
}
