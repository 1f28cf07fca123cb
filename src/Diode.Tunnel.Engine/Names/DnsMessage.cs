using System.Buffers.Binary;
using System.Text;

namespace Diode.Tunnel.Engine.Names;

/// <summary>
/// Reading of DNS messages (RFC 1035 §4). Works on bytes from the network: never throws, never reads beyond the message,
/// and ends on every compression loop.
/// <code>
/// id(2) flags(2) qdcount(2) ancount(2) nscount(2) arcount(2) | question* | answer* | authority* | additional*
/// </code>
/// </summary>
public static class DnsMessage
{
    /// <summary>Length of the header.</summary>
    public const int HeaderLength = 12;

    /// <summary>Longest message (TCP).</summary>
    public const int MaxLength = 65_535;

    /// <summary>Longest name on the wire (RFC 1035 §2.3.4).</summary>
    public const int MaxNameLength = 255;

    private const int MaxPointers = 32;

    /// <summary>Whether the message is long enough for a header and says it is a query.</summary>
    public static bool IsQuery(ReadOnlySpan<byte> message)
    {
        return message.Length >= HeaderLength && (message[2] & 0x80) == 0;
    }

    /// <summary>Reads a query with exactly one question. False: malformed (answer FORMERR if it has a header).</summary>
    public static bool TryReadQuery(ReadOnlySpan<byte> message, out DnsQuery query)
    {
        query = default;
        if (!IsQuery(message) || message.Length > MaxLength || Count(message, 4) != 1)
        {
            return false;
        }

        int offset = HeaderLength;
        if (!TryReadName(message, ref offset, out string name) || offset + 4 > message.Length)
        {
            return false;
        }

        ushort type = BinaryPrimitives.ReadUInt16BigEndian(message[offset..]);
        ushort dnsClass = BinaryPrimitives.ReadUInt16BigEndian(message[(offset + 2)..]);
        int questionEnd = offset + 4;
        if (!TryFindEdns(message, questionEnd, out bool hasEdns, out int udpLength, out int version))
        {
            return false;
        }

        query = new DnsQuery(
            BinaryPrimitives.ReadUInt16BigEndian(message),
            (message[2] >> 3) & 0x0F,
            name,
            type,
            dnsClass,
            questionEnd,
            hasEdns,
            hasEdns ? Math.Max(udpLength, DnsQuery.PlainUdpLength) : DnsQuery.PlainUdpLength,
            version);
        return true;
    }

    /// <summary>
    /// Whether a message is the response to a query that was sent: same id, same opcode, same question (case of letters apart).
    /// </summary>
    public static bool IsResponseTo(ReadOnlySpan<byte> response, ReadOnlySpan<byte> query)
    {
        if (response.Length < HeaderLength || (response[2] & 0x80) == 0 || !response[..2].SequenceEqual(query[..2])
            || (response[2] & 0x78) != (query[2] & 0x78) || Count(response, 4) != 1)
        {
            return false;
        }

        int inResponse = HeaderLength;
        int inQuery = HeaderLength;
        return TryReadName(response, ref inResponse, out string got)
            && TryReadName(query, ref inQuery, out string asked)
            && got == asked
            && inResponse + 4 <= response.Length
            && inQuery + 4 <= query.Length
            && response.Slice(inResponse, 4).SequenceEqual(query.Slice(inQuery, 4));
    }

    /// <summary>Response code of a message with a header (without the EDNS extension).</summary>
    public static int Code(ReadOnlySpan<byte> message)
    {
        return message[3] & 0x0F;
    }

    /// <summary>
    /// Reads a name, following compression pointers backwards only. Letters become lower case; bytes other than letters, digits, '-'
    /// and '_' come out as <c>\DDD</c>, so that no odd name can look like one of ours. The root is the empty text.
    /// </summary>
    /// <param name="message">The whole message.</param>
    /// <param name="offset">Where the name starts; afterwards, what follows it.</param>
    /// <param name="name">The name without final dot.</param>
    public static bool TryReadName(ReadOnlySpan<byte> message, ref int offset, out string name)
    {
        name = "";
        var text = new StringBuilder(64);
        int at = offset;
        int end = -1;
        int length = 1;
        int pointers = 0;
        while (at < message.Length)
        {
            int head = message[at];
            if (head == 0)
            {
                offset = end < 0 ? at + 1 : end;
                name = text.ToString();
                return true;
            }

            if ((head & 0xC0) == 0xC0)
            {
                int target = at + 1 < message.Length ? ((head & 0x3F) << 8) | message[at + 1] : int.MaxValue;
                if (target >= at || target < HeaderLength || ++pointers > MaxPointers)
                {
                    return false;
                }

                end = end < 0 ? at + 2 : end;
                at = target;
                continue;
            }

            length += head + 1;
            if (head > 63 || at + 1 + head > message.Length || length > MaxNameLength)
            {
                return false;
            }

            AppendLabel(text, message.Slice(at + 1, head));
            at += head + 1;
        }

        return false;
    }

    /// <summary>Skips or reads a resource record at <paramref name="offset"/>.</summary>
    public static bool TryReadRecord(ReadOnlySpan<byte> message, ref int offset, out DnsRecord record)
    {
        record = default;
        int at = offset;
        if (!TryReadName(message, ref at, out string name) || at + 10 > message.Length)
        {
            return false;
        }

        int dataLength = BinaryPrimitives.ReadUInt16BigEndian(message[(at + 8)..]);
        if (at + 10 + dataLength > message.Length)
        {
            return false;
        }

        record = new DnsRecord(
            name,
            BinaryPrimitives.ReadUInt16BigEndian(message[at..]),
            BinaryPrimitives.ReadUInt16BigEndian(message[(at + 2)..]),
            BinaryPrimitives.ReadUInt32BigEndian(message[(at + 4)..]),
            at + 10,
            dataLength);
        offset = at + 10 + dataLength;
        return true;
    }

    /// <summary>One of the four counts of the header, by its offset (4, 6, 8, 10).</summary>
    internal static int Count(ReadOnlySpan<byte> message, int offset)
    {
        return BinaryPrimitives.ReadUInt16BigEndian(message[offset..]);
    }

    private static bool TryFindEdns(ReadOnlySpan<byte> message, int offset, out bool found, out int udpLength, out int version)
    {
        found = false;
        udpLength = 0;
        version = 0;
        int records = Count(message, 6) + Count(message, 8) + Count(message, 10);
        for (int i = 0; i < records; i++)
        {
            if (!TryReadRecord(message, ref offset, out DnsRecord record))
            {
                return false;
            }

            if (record.Type == DnsType.Opt)
            {
                if (found || record.Name.Length != 0)
                {
                    return false; // only one, at the root (RFC 6891 §6.1.1)
                }

                found = true;
                udpLength = record.Class;
                version = (byte)(record.TimeToLive >> 16);
            }
        }

        return true;
    }

    private static void AppendLabel(StringBuilder text, ReadOnlySpan<byte> label)
    {
        if (text.Length > 0)
        {
            text.Append('.');
        }

        foreach (byte b in label)
        {
            char c = char.ToLowerInvariant((char)b);
            if (c is (>= 'a' and <= 'z') or (>= '0' and <= '9') or '-' or '_')
            {
                text.Append(c);
            }
            else
            {
                text.Append('\\').Append((char)('0' + (b / 100))).Append((char)('0' + (b / 10 % 10))).Append((char)('0' + (b % 10)));
            }
        }
    }
}
