using System.Buffers.Binary;
using System.Text;
using Diode.Tunnel.Engine.Packets;

namespace Diode.Tunnel.Engine.Names;

/// <summary>Writes one reply: header and question copied from the query, then answers, then authority, then OPT.</summary>
internal ref struct DnsReplyWriter
{
    private const ushort QuestionPointer = 0xC000 | DnsMessage.HeaderLength;
    private const int OptLength = 11;
    private const ushort OurUdpLength = 1232;

    private readonly Span<byte> _reply;
    private readonly bool _hasEdns;
    private readonly int _code;
    private int _length;
    private int _answers;
    private int _authority;
    private bool _truncated;

    /// <summary>Starts a reply in a buffer that is at least as long as header, question and OPT.</summary>
    public DnsReplyWriter(ReadOnlySpan<byte> query, int questionEnd, bool hasEdns, int code, Span<byte> reply)
    {
        _reply = reply;
        _hasEdns = hasEdns;
        _code = code;
        query[..questionEnd].CopyTo(reply);
        reply[6..DnsMessage.HeaderLength].Clear();
        reply[2] = (byte)(0x80 | (query[2] & 0x79)); // response, opcode and "recursion desired" kept
        reply[3] = (byte)(0x80 | (code & 0x0F)); // recursion available
        _length = questionEnd;
    }

    public void WriteAddress(PacketAddress address, uint timeToLive)
    {
        Span<byte> data = stackalloc byte[16];
        int length = address.CopyTo(data);
        WriteAnswer(address.IsIpv4 ? DnsType.A : DnsType.Aaaa, timeToLive, data[..length]);
    }

    public void WritePointer(string target, uint timeToLive)
    {
        Span<byte> data = stackalloc byte[DnsMessage.MaxNameLength];
        WriteAnswer(DnsType.Ptr, timeToLive, data[..EncodeName(target, data)]);
    }

    /// <summary>The zone's SOA: in the answer, or in the authority section so that the denial may be cached (RFC 2308).</summary>
    public void WriteSoa(bool asAnswer, uint timeToLive, string? zone)
    {
        Span<byte> data = stackalloc byte[DnsMessage.MaxNameLength * 2];
        int length = EncodeName("resolver.diode", data);
        length += EncodeName("nobody.diode", data[length..]);
        ReadOnlySpan<uint> timers = [1, 3600, 600, 86_400, timeToLive];
        foreach (uint timer in timers)
        {
            BinaryPrimitives.WriteUInt32BigEndian(data[length..], timer);
            length += 4;
        }

        if (asAnswer)
        {
            WriteAnswer(DnsType.Soa, timeToLive, data[..length]);
        }
        else if (TryWriteRecord(zone, DnsType.Soa, timeToLive, data[..length]))
        {
            _authority++;
        }
    }

    /// <summary>Completes the message and returns its length.</summary>
    public int Finish(bool authoritative)
    {
        if (authoritative)
        {
            _reply[2] |= 0x04;
        }

        if (_truncated)
        {
            _reply[2] |= 0x02;
        }

        BinaryPrimitives.WriteUInt16BigEndian(_reply[6..], (ushort)_answers);
        BinaryPrimitives.WriteUInt16BigEndian(_reply[8..], (ushort)_authority);
        if (_hasEdns)
        {
            BinaryPrimitives.WriteUInt16BigEndian(_reply[10..], 1);
            Span<byte> opt = _reply.Slice(_length, OptLength);
            opt.Clear();
            BinaryPrimitives.WriteUInt16BigEndian(opt[1..], DnsType.Opt);
            BinaryPrimitives.WriteUInt16BigEndian(opt[3..], OurUdpLength);
            opt[5] = (byte)(_code >> 4);
            _length += OptLength;
        }

        return _length;
    }

    private static int EncodeName(string name, Span<byte> destination)
    {
        int length = 0;
        foreach (string label in name.Split('.', StringSplitOptions.RemoveEmptyEntries))
        {
            destination[length] = (byte)label.Length;
            length += 1 + Encoding.ASCII.GetBytes(label, destination[(length + 1)..]);
        }

        destination[length] = 0;
        return length + 1;
    }

    private void WriteAnswer(ushort type, uint timeToLive, scoped ReadOnlySpan<byte> data)
    {
        if (TryWriteRecord(null, type, timeToLive, data))
        {
            _answers++;
        }
        else
        {
            _truncated = true;
        }
    }

    // Owner null: the name asked about.
    private bool TryWriteRecord(string? owner, ushort type, uint timeToLive, scoped ReadOnlySpan<byte> data)
    {
        Span<byte> name = stackalloc byte[DnsMessage.MaxNameLength];
        int nameLength = 2;
        if (owner is null)
        {
            BinaryPrimitives.WriteUInt16BigEndian(name, QuestionPointer);
        }
        else
        {
            nameLength = EncodeName(owner, name);
        }

        if (_length + nameLength + 10 + data.Length + (_hasEdns ? OptLength : 0) > _reply.Length)
        {
            return false;
        }

        Span<byte> record = _reply[_length..];
        name[..nameLength].CopyTo(record);
        record = record[nameLength..];
        BinaryPrimitives.WriteUInt16BigEndian(record, type);
        BinaryPrimitives.WriteUInt16BigEndian(record[2..], DnsType.ClassIn);
        BinaryPrimitives.WriteUInt32BigEndian(record[4..], timeToLive);
        BinaryPrimitives.WriteUInt16BigEndian(record[8..], (ushort)data.Length);
        data.CopyTo(record[10..]);
        _length += nameLength + 10 + data.Length;
        return true;
    }
}
