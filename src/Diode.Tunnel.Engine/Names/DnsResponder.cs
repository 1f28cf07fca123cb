using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using Diode.Tunnel.Engine.Packets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Contracts;

namespace Diode.Tunnel.Engine.Names;

/// <summary>
/// Answers queries from a <see cref="NameTable"/>: bytes in, bytes out. Authoritative for <c>.diode</c> and the reverse names of
/// virtual addresses; those are never forwarded, known or not. Stateless and thread-safe.
/// </summary>
public static class DnsResponder
{
    /// <summary>Seconds an answer may be kept: short, because members come and go.</summary>
    public const uint TimeToLive = 5;

    /// <summary>Longest reply over UDP whatever the sender offers (fits every path without fragments).</summary>
    public const int MaxUdpLength = 1232;

    private const string ZoneSuffix = "." + NameTable.Zone;

    /// <summary>Answers a query, or says that it is somebody else's.</summary>
    /// <param name="table">The names.</param>
    /// <param name="message">The query.</param>
    /// <param name="overTcp">Whether a reply may be as long as TCP allows.</param>
    /// <param name="reply">At least 1,232 bytes, over TCP better 65,535.</param>
    /// <param name="length">Bytes written.</param>
    public static DnsOutcome Respond(
        NameTable table, ReadOnlySpan<byte> message, bool overTcp, Span<byte> reply, out int length)
    {
        ArgumentNullException.ThrowIfNull(table);
        length = 0;
        if (!DnsMessage.IsQuery(message))
        {
            return DnsOutcome.Ignore;
        }

        if (!DnsMessage.TryReadQuery(message, out DnsQuery query))
        {
            length = WriteHeaderOnly(message, DnsCode.FormatError, reply);
            return DnsOutcome.Reply;
        }

        if (!overTcp)
        {
            reply = reply[..Math.Min(reply.Length, Math.Min(query.UdpLength, MaxUdpLength))];
        }

        int? refusal = query.Opcode != 0 ? DnsCode.NotImplemented
            : query.EdnsVersion != 0 ? DnsCode.BadVersion
            : null;
        if (refusal is { } code)
        {
            length = Start(message, query, code, reply).Finish(authoritative: false);
            return DnsOutcome.Reply;
        }

        return Answer(table, message, query, reply, ref length);
    }

    /// <summary>Whether a query is for <c>0x….diode</c> of a device that the table lacks.</summary>
    internal static bool TryReadUnknownDevice(NameTable table, ReadOnlySpan<byte> message, out Address device)
    {
        device = default;
        return DnsMessage.IsQuery(message)
            && DnsMessage.TryReadQuery(message, out DnsQuery query)
            && query.Name.Length == Address.TextLength + ZoneSuffix.Length
            && query.Name.EndsWith(ZoneSuffix, StringComparison.Ordinal)
            && Address.TryParse(query.Name[..^ZoneSuffix.Length], out device)
            && !device.IsZero
            && !table.TryFind(query.Name[..^ZoneSuffix.Length], out _);
    }

    /// <summary>Whether a query is for <c>NAME.diode</c>, one label that the table lacks and a name service may have.</summary>
    internal static bool TryReadUnknownName(NameTable table, ReadOnlySpan<byte> message, [NotNullWhen(true)] out string? name)
    {
        name = null;
        if (!DnsMessage.IsQuery(message)
            || !DnsMessage.TryReadQuery(message, out DnsQuery query)
            || query.Class != DnsType.ClassIn
            || !query.Name.EndsWith(ZoneSuffix, StringComparison.Ordinal)
            || !BnsName.TryNormalize(query.Name[..^ZoneSuffix.Length], out string? asked, out _)
            || table.TryFind(asked, out _))
        {
            return false;
        }

        name = asked;
        return true;
    }

    /// <summary>Writes a bare reply with a code, for example SERVFAIL when no upstream answers. 0 if the message has no header.</summary>
    public static int WriteServerFailure(ReadOnlySpan<byte> message, Span<byte> reply)
    {
        return !DnsMessage.IsQuery(message) ? 0
            : DnsMessage.TryReadQuery(message, out DnsQuery query)
                ? Start(message, query, DnsCode.ServerFailure, reply).Finish(authoritative: false)
                : WriteHeaderOnly(message, DnsCode.ServerFailure, reply);
    }

    private static DnsOutcome Answer(
        NameTable table, ReadOnlySpan<byte> message, in DnsQuery query, Span<byte> reply, ref int length)
    {
        bool inZone = query.Name == NameTable.Zone || query.Name.EndsWith(ZoneSuffix, StringComparison.Ordinal);
        PacketAddress address = default;
        bool reverse = !inZone && NameTable.TryParseReverse(query.Name, out address) && table.IsVirtual(address);
        if (!inZone && !reverse)
        {
            return DnsOutcome.Forward;
        }

        if (query.Class != DnsType.ClassIn)
        {
            length = Start(message, query, DnsCode.Refused, reply).Finish(authoritative: false);
        }
        else if (reverse)
        {
            length = AnswerReverse(table, message, query, address, reply);
        }
        else if (query.Name == NameTable.Zone)
        {
            DnsReplyWriter writer = Start(message, query, DnsCode.NoError, reply);
            writer.WriteSoa(query.Type is DnsType.Soa or DnsType.Any, TimeToLive, NameTable.Zone);
            length = writer.Finish(authoritative: true);
        }
        else
        {
            length = AnswerName(table, message, query, reply);
        }

        return DnsOutcome.Reply;
    }

    private static int AnswerName(NameTable table, ReadOnlySpan<byte> message, in DnsQuery query, Span<byte> reply)
    {
        bool exists = table.TryFind(query.Name[..^ZoneSuffix.Length], out ImmutableArray<Address> devices);
        DnsReplyWriter writer = Start(message, query, exists ? DnsCode.NoError : DnsCode.NameError, reply);
        int answers = 0;
        foreach (Address device in devices)
        {
            if (table.AddressesOf(device) is not { } entry)
            {
                continue;
            }

            // "Any" gets one kind of address, the smallest honest answer (RFC 8482).
            bool wantsIpv4 = query.Type is DnsType.A or DnsType.Any;
            if (wantsIpv4 && !entry.LocalIpv4.IsNone)
            {
                writer.WriteAddress(entry.LocalIpv4, TimeToLive);
                answers++;
            }
            else if (query.Type is DnsType.Aaaa or DnsType.Any)
            {
                writer.WriteAddress(entry.Ipv6, TimeToLive);
                answers++;
            }
        }

        if (answers == 0)
        {
            writer.WriteSoa(asAnswer: false, TimeToLive, NameTable.Zone);
        }

        return writer.Finish(authoritative: true);
    }

    private static int AnswerReverse(
        NameTable table, ReadOnlySpan<byte> message, in DnsQuery query, PacketAddress address, Span<byte> reply)
    {
        string? name = table.NameOf(address);
        DnsReplyWriter writer = Start(message, query, name is null ? DnsCode.NameError : DnsCode.NoError, reply);
        if (name is not null && query.Type is DnsType.Ptr or DnsType.Any)
        {
            writer.WritePointer(name, TimeToLive);
        }
        else
        {
            writer.WriteSoa(asAnswer: false, TimeToLive, zone: null);
        }

        return writer.Finish(authoritative: true);
    }

    private static DnsReplyWriter Start(ReadOnlySpan<byte> message, in DnsQuery query, int code, Span<byte> reply)
    {
        return new DnsReplyWriter(message, query.QuestionEnd, query.HasEdns, code, reply);
    }

    private static int WriteHeaderOnly(ReadOnlySpan<byte> message, int code, Span<byte> reply)
    {
        message[..DnsMessage.HeaderLength].CopyTo(reply);
        reply[2] = (byte)(0x80 | (message[2] & 0x79));
        reply[3] = (byte)(0x80 | code);
        reply[4..DnsMessage.HeaderLength].Clear();
        return DnsMessage.HeaderLength;
    }
}
