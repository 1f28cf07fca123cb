using System.Buffers.Binary;

namespace Diode.Tunnel.Engine.Packets;

/// <summary>
/// The validated facts of one IP packet: addresses, final protocol, ports, lengths. A value; the bytes stay with the caller.
/// </summary>
/// <remarks>
/// Ports are only ever read where a TCP or UDP header is proven to start: never from a later fragment, never behind
/// a next header this parser does not walk. AH, ESP and everything unknown end the walk and are opaque.
/// </remarks>
public readonly struct IpPacket
{
    /// <summary>The longest chain of IPv6 extension headers that is walked.</summary>
    public const int MaxExtensionHeaders = 8;

    private const int Ipv4HeaderLength = 20;
    private const int Ipv6HeaderLength = 40;
    private const int TcpHeaderLength = 20;
    private const int UdpHeaderLength = 8;
    private const int IcmpHeaderLength = 8;

    private IpPacket(bool isIpv4, PacketAddress source, PacketAddress destination, int totalLength)
    {
        IsIpv4 = isIpv4;
        Source = source;
        Destination = destination;
        TotalLength = totalLength;
    }

    /// <summary>IPv4 (true) or IPv6 (false).</summary>
    public bool IsIpv4 { get; }

    /// <summary>Source address.</summary>
    public PacketAddress Source { get; init; }

    /// <summary>Destination address.</summary>
    public PacketAddress Destination { get; init; }

    /// <summary>Bytes of the packet by its own header; the buffer may be longer (padding). For a quoted packet it may exceed the buffer.</summary>
    public int TotalLength { get; }

    /// <summary>Offset of the transport header or opaque payload: IP header, options and walked extension headers.</summary>
    public int TransportOffset { get; private init; }

    /// <summary>Bytes from <see cref="TransportOffset"/> to the end of the packet.</summary>
    public int TransportLength => TotalLength - TransportOffset;

    /// <summary>Final protocol, see <see cref="IpProtocol"/>. In a later IPv6 fragment it is what the fragment header says follows.</summary>
    public byte Protocol { get; private init; }

    /// <summary>Whether the packet is a piece of a larger one (the first piece included).</summary>
    public bool IsFragment { get; private init; }

    /// <summary>Whether the packet is a piece other than the first: it carries no transport header.</summary>
    public bool IsLaterFragment { get; private init; }

    /// <summary>The sender's identification of the fragmented packet; 0 if not a fragment.</summary>
    public uint FragmentId { get; private init; }

    /// <summary>Whether the ports below were read (TCP or UDP, header present).</summary>
    public bool HasPorts { get; private init; }

    /// <summary>Source port, 0 without <see cref="HasPorts"/>.</summary>
    public ushort SourcePort { get; private init; }

    /// <summary>Destination port, 0 without <see cref="HasPorts"/>.</summary>
    public ushort DestinationPort { get; private init; }

    /// <summary>TCP flag byte, 0 if there is no TCP header. See <see cref="TcpFlags"/>.</summary>
    public byte Flags { get; private init; }

    /// <summary>What kind of ICMP message this is.</summary>
    public IcmpKind Icmp { get; private init; }

    /// <summary>Identifier of an ICMP echo request or reply, else 0.</summary>
    public ushort IcmpIdentifier { get; private init; }

    /// <summary>Reads and validates the packet at the start of <paramref name="buffer"/>. False: malformed, drop it.</summary>
    public static bool TryParse(ReadOnlySpan<byte> buffer, out IpPacket packet)
    {
        return TryParse(buffer, quoted: false, out packet);
    }

    /// <summary>
    /// Reads the packet quoted in an ICMP error: it may be cut short, eight bytes of the transport header are enough (RFC 792).
    /// </summary>
    public static bool TryParseQuoted(ReadOnlySpan<byte> buffer, out IpPacket packet)
    {
        return TryParse(buffer, quoted: true, out packet);
    }

    /// <summary>Offset of the packet quoted by an ICMP error, for <see cref="TryParseQuoted"/>.</summary>
    public int QuoteOffset => TransportOffset + IcmpHeaderLength;

    private static bool TryParse(ReadOnlySpan<byte> buffer, bool quoted, out IpPacket packet)
    {
        packet = default;
        if (buffer.IsEmpty)
        {
            return false;
        }

        return (buffer[0] >> 4) switch
        {
            4 => TryParseIpv4(buffer, quoted, out packet),
            6 => TryParseIpv6(buffer, quoted, out packet),
            _ => false,
        };
    }

    private static bool TryParseIpv4(ReadOnlySpan<byte> buffer, bool quoted, out IpPacket packet)
    {
        packet = default;
        if (buffer.Length < Ipv4HeaderLength)
        {
            return false;
        }

        int headerLength = (buffer[0] & 0x0F) * 4;
        int totalLength = BinaryPrimitives.ReadUInt16BigEndian(buffer[2..]);
        if (headerLength < Ipv4HeaderLength || totalLength < headerLength || headerLength > buffer.Length
            || (totalLength > buffer.Length && !quoted))
        {
            return false;
        }

        ushort fragment = BinaryPrimitives.ReadUInt16BigEndian(buffer[6..]);
        int fragmentOffset = (fragment & 0x1FFF) * 8;
        bool moreFragments = (fragment & 0x2000) != 0;
        bool isFragment = moreFragments || fragmentOffset != 0;
        byte protocol = buffer[9];
        if (fragmentOffset + totalLength - headerLength > 0xFFFF)
        {
            return false; // reassembles to more than an IP packet can hold ("ping of death")
        }

        if (fragmentOffset == 8 && protocol == IpProtocol.Tcp)
        {
            return false; // could overwrite the flags of the first piece (RFC 1858 §4)
        }

        var header = new IpPacket(
            true,
            PacketAddress.FromIpv4(BinaryPrimitives.ReadUInt32BigEndian(buffer[12..])),
            PacketAddress.FromIpv4(BinaryPrimitives.ReadUInt32BigEndian(buffer[16..])),
            totalLength)
        {
            TransportOffset = headerLength,
            Protocol = protocol,
            IsFragment = isFragment,
            IsLaterFragment = fragmentOffset != 0,
            FragmentId = isFragment ? BinaryPrimitives.ReadUInt16BigEndian(buffer[4..]) : 0u,
        };
        return TryReadTransport(buffer, header, quoted, out packet);
    }

    private static bool TryParseIpv6(ReadOnlySpan<byte> buffer, bool quoted, out IpPacket packet)
    {
        packet = default;
        if (buffer.Length < Ipv6HeaderLength)
        {
            return false;
        }

        int totalLength = Ipv6HeaderLength + BinaryPrimitives.ReadUInt16BigEndian(buffer[4..]);
        if (totalLength > buffer.Length && !quoted)
        {
            return false;
        }

        PacketAddress source = PacketAddress.ReadIpv6(buffer[8..]);
        PacketAddress destination = PacketAddress.ReadIpv6(buffer[24..]);
        if (source.IsIpv4 || destination.IsIpv4)
        {
            return false; // mapped addresses are for programs, not for the wire (RFC 4942 §2.2)
        }

        var chain = new ExtensionChain(buffer[6]);
        if (!chain.TryWalk(buffer[..Math.Min(totalLength, buffer.Length)], quoted))
        {
            return false;
        }

        var header = new IpPacket(false, source, destination, totalLength)
        {
            TransportOffset = chain.Offset,
            Protocol = chain.Protocol,
            IsFragment = chain.IsFragment,
            IsLaterFragment = chain.IsLaterFragment,
            FragmentId = chain.FragmentId,
        };
        return TryReadTransport(buffer, header, quoted, out packet);
    }

    private static bool TryReadTransport(ReadOnlySpan<byte> buffer, in IpPacket header, bool quoted, out IpPacket packet)
    {
        packet = header;
        if (header.IsLaterFragment)
        {
            return true;
        }

        ReadOnlySpan<byte> transport = buffer[header.TransportOffset..Math.Min(header.TotalLength, buffer.Length)];
        switch (header.Protocol)
        {
            case IpProtocol.Tcp:
                return TryReadTcp(transport, header, quoted, out packet);
            case IpProtocol.Udp:
                return TryReadUdp(transport, header, quoted, out packet);
            case IpProtocol.Icmp when header.IsIpv4:
            case IpProtocol.IcmpV6 when !header.IsIpv4:
                return TryReadIcmp(transport, header, out packet);
            default:
                return true;
        }
    }

    private static bool TryReadTcp(ReadOnlySpan<byte> transport, in IpPacket header, bool quoted, out IpPacket packet)
    {
        packet = header;
        if (transport.Length < (quoted ? 8 : TcpHeaderLength))
        {
            return false; // also a "tiny" first fragment (RFC 1858 §3)
        }

        if (transport.Length >= TcpHeaderLength && !quoted)
        {
            int headerLength = (transport[12] >> 4) * 4;
            if (headerLength < TcpHeaderLength || headerLength > transport.Length)
            {
                return false;
            }
        }

        packet = WithPorts(header, transport, transport.Length > 13 ? transport[13] : (byte)0);
        return true;
    }

    private static bool TryReadUdp(ReadOnlySpan<byte> transport, in IpPacket header, bool quoted, out IpPacket packet)
    {
        packet = header;
        if (transport.Length < UdpHeaderLength)
        {
            return false;
        }

        int length = BinaryPrimitives.ReadUInt16BigEndian(transport[4..]);
        if (length < UdpHeaderLength || (length > transport.Length && !header.IsFragment && !quoted))
        {
            return false;
        }

        packet = WithPorts(header, transport, 0);
        return true;
    }

    private static bool TryReadIcmp(ReadOnlySpan<byte> transport, in IpPacket header, out IpPacket packet)
    {
        packet = header;
        if (transport.Length < IcmpHeaderLength)
        {
            return false;
        }

        IcmpKind kind = header.IsIpv4 ? KindOfIcmp(transport[0]) : KindOfIcmpV6(transport[0]);
        packet = header with
        {
            Icmp = kind,
            IcmpIdentifier = kind is IcmpKind.EchoRequest or IcmpKind.EchoReply
                ? BinaryPrimitives.ReadUInt16BigEndian(transport[4..])
                : (ushort)0,
        };
        return true;
    }

    private static IpPacket WithPorts(in IpPacket header, ReadOnlySpan<byte> transport, byte flags)
    {
        return header with
        {
            HasPorts = true,
            SourcePort = BinaryPrimitives.ReadUInt16BigEndian(transport),
            DestinationPort = BinaryPrimitives.ReadUInt16BigEndian(transport[2..]),
            Flags = flags,
        };
    }

    private static IcmpKind KindOfIcmp(byte type)
    {
        return type switch
        {
            8 => IcmpKind.EchoRequest,
            0 => IcmpKind.EchoReply,
            3 or 11 or 12 => IcmpKind.Error, // source quench (4) is deprecated, redirect (5) is never wanted
            _ => IcmpKind.Other,
        };
    }

    private static IcmpKind KindOfIcmpV6(byte type)
    {
        return type switch
        {
            128 => IcmpKind.EchoRequest,
            129 => IcmpKind.EchoReply,
            >= 1 and <= 4 => IcmpKind.Error,
            _ => IcmpKind.Other,
        };
    }
}
