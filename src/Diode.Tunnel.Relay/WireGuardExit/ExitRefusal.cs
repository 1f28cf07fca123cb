using System.Buffers.Binary;

namespace Diode.Tunnel.Relay.WireGuardExit;

/// <summary>The ICMP message "communication administratively prohibited" (RFC 792, RFC 1812 §5.2.7.1).</summary>
internal static class ExitRefusal
{
    /// <summary>A buffer of this size is always enough.</summary>
    public const int MaxLength = 576;

    private const int HeaderLength = 20;
    private const int IcmpHeaderLength = 8;
    private const byte IcmpProtocol = 1;
    private const byte Unreachable = 3;
    private const byte Prohibited = 13;
    private const byte EchoRequest = 8;

    /// <summary>Writes the answer to an IPv4 packet; 0 where none may be sent (RFC 1122 §3.2.2).</summary>
    public static int Write(ReadOnlySpan<byte> packet, uint source, Span<byte> reply)
    {
        bool isMulticast = packet[16] >= 224;
        bool isLaterFragment = (BinaryPrimitives.ReadUInt16BigEndian(packet[6..]) & 0x1fff) != 0;
        int headerLength = (packet[0] & 15) * 4;
        if (isMulticast || isLaterFragment || headerLength < HeaderLength || packet.Length < headerLength + IcmpHeaderLength
            || (packet[9] == IcmpProtocol && packet[headerLength] != EchoRequest))
        {
            return 0;
        }

        int quoted = Math.Min(packet.Length, MaxLength - HeaderLength - IcmpHeaderLength);
        reply = reply[..(HeaderLength + IcmpHeaderLength + quoted)];
        reply[..(HeaderLength + IcmpHeaderLength)].Clear();
        reply[0] = 0x45;
        BinaryPrimitives.WriteUInt16BigEndian(reply[2..], (ushort)reply.Length);
        reply[8] = 64;
        reply[9] = IcmpProtocol;
        BinaryPrimitives.WriteUInt32BigEndian(reply[12..], source);
        packet.Slice(12, 4).CopyTo(reply[16..]);
        BinaryPrimitives.WriteUInt16BigEndian(reply[10..], Checksum(reply[..HeaderLength]));
        Span<byte> message = reply[HeaderLength..];
        message[0] = Unreachable;
        message[1] = Prohibited;
        packet[..quoted].CopyTo(message[IcmpHeaderLength..]);
        BinaryPrimitives.WriteUInt16BigEndian(message[2..], Checksum(message));
        return reply.Length;
    }

    private static ushort Checksum(ReadOnlySpan<byte> data)
    {
        uint sum = 0;
        for (; data.Length > 1; data = data[2..])
        {
            sum += BinaryPrimitives.ReadUInt16BigEndian(data);
        }

        sum += data.IsEmpty ? 0u : (uint)data[0] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
        return (ushort)~(sum + (sum >> 16));
    }
}
