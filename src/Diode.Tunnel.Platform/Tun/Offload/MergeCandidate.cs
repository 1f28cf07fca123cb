using System.Buffers.Binary;

namespace Diode.Tunnel.Platform.Tun.Offload;

/// <summary>A received packet as merging sees it. The bytes come from a peer: every length is checked.</summary>
internal readonly ref struct MergeCandidate
{
    private const int Ipv4Header = 20;
    private const int Ipv6Header = 40;
    private const int TcpHeader = 20;
    private const int UdpHeader = 8;
    private const byte Tcp = 6;
    private const byte Udp = 17;
    private const byte Icmp = 1;
    private const byte IcmpV6 = 58;
    private const ushort FragmentOrReserved = 0xbfff;
    private const byte PushFlag = 0x08;
    private const byte AckFlag = 0x10;
    private const byte PushAndEce = 0x48;

    private MergeCandidate(MergeFate fate) => Fate = fate;

    private MergeCandidate(ReadOnlySpan<byte> packet, MergeFate fate, SegmentKind kind, int networkLength, int headerLength)
    {
        Packet = packet;
        Fate = fate;
        Kind = kind;
        NetworkLength = networkLength;
        HeaderLength = headerLength;
    }

    internal ReadOnlySpan<byte> Packet { get; }

    internal MergeFate Fate { get; }

    internal SegmentKind Kind { get; }

    internal int NetworkLength { get; }

    internal int HeaderLength { get; }

    internal int PayloadLength => Packet.Length - HeaderLength;

    internal bool IsIpv6 => NetworkLength == Ipv6Header;

    /// <summary>TCP: payload the receiver is to see at once; nothing is merged behind it.</summary>
    internal bool EndsMerge => Kind != SegmentKind.Udp && (Packet[NetworkLength + 13] & PushFlag) != 0;

    internal uint Sequence => BinaryPrimitives.ReadUInt32BigEndian(Packet[(NetworkLength + 4)..]);

    /// <summary>IPv4 identification; 0 in IPv6.</summary>
    internal ushort Identification => IsIpv6 ? (ushort)0 : BinaryPrimitives.ReadUInt16BigEndian(Packet[4..]);

    /// <summary>True if the identification has no meaning (RFC 6864 §4.1).</summary>
    internal bool IsAtomic => IsIpv6 || (Packet[6] & 0x40) != 0;

    internal static MergeCandidate Parse(ReadOnlySpan<byte> packet)
    {
        if (packet.Length < Ipv4Header)
        {
            return new MergeCandidate(MergeFate.Barrier);
        }

        byte protocol;
        int network;
        if (packet[0] == 0x45)
        {
            network = Ipv4Header;
            protocol = packet[9];
            if (BinaryPrimitives.ReadUInt16BigEndian(packet[2..]) != packet.Length
                || (BinaryPrimitives.ReadUInt16BigEndian(packet[6..]) & FragmentOrReserved) != 0)
            {
                return new MergeCandidate(MergeFate.Barrier);
            }
        }
        else if (packet[0] >> 4 == 6 && packet.Length >= Ipv6Header)
        {
            network = Ipv6Header;
            protocol = packet[6];
            if (BinaryPrimitives.ReadUInt16BigEndian(packet[4..]) + Ipv6Header != packet.Length)
            {
                return new MergeCandidate(MergeFate.Barrier);
            }
        }
        else
        {
            return new MergeCandidate(MergeFate.Barrier);
        }

        return protocol switch
        {
            Tcp => ParseTcp(packet, network),
            Udp => ParseUdp(packet, network),
            Icmp or IcmpV6 => new MergeCandidate(MergeFate.Foreign),
            _ => new MergeCandidate(MergeFate.Barrier),
        };
    }

    /// <summary>Whether the checksum is the one the bytes demand: only then may the kernel be told that it need not look.</summary>
    internal bool IsChecksumValid()
    {
        ReadOnlySpan<byte> addresses = IsIpv6 ? Packet.Slice(8, 32) : Packet.Slice(12, 8);
        int length = Packet.Length - NetworkLength;
        ulong sum = VectorChecksum.AddValue(VectorChecksum.Add(addresses), Kind == SegmentKind.Udp ? Udp : Tcp);
        return VectorChecksum.Finish(VectorChecksum.Add(Packet[NetworkLength..], VectorChecksum.AddValue(sum, (ushort)length))) == 0
            && (IsIpv6 || VectorChecksum.Finish(VectorChecksum.Add(Packet[..Ipv4Header])) == 0);
    }

    /// <summary>Same addresses, protocol and ports.</summary>
    internal bool IsSameFlow(ReadOnlySpan<byte> first, SegmentKind kind)
    {
        if (kind != Kind || first[0] >> 4 != Packet[0] >> 4)
        {
            return false;
        }

        return IsIpv6
            ? Packet.Slice(8, 36).SequenceEqual(first.Slice(8, 36))
            : Packet.Slice(12, 12).SequenceEqual(first.Slice(12, 12));
    }

    /// <summary>
    /// All that the network could tell apart is equal: class, flow label, hop limit, fragment flags, and in TCP acknowledgement, flags
    /// but PSH, window, urgent pointer and options.
    /// </summary>
    internal bool HasSameHeader(ReadOnlySpan<byte> first)
    {
        bool isSame = IsIpv6
            ? Packet[..4].SequenceEqual(first[..4]) && Packet[7] == first[7]
            : Packet[1] == first[1] && Packet[6] == first[6] && Packet[8] == first[8];
        if (Kind == SegmentKind.Udp || !isSame)
        {
            return isSame;
        }

        ReadOnlySpan<byte> own = Packet[NetworkLength..HeaderLength];
        ReadOnlySpan<byte> other = first[NetworkLength..HeaderLength];
        return own[12] == other[12]
            && ((own[13] ^ other[13]) & ~PushFlag) == 0
            && own.Slice(8, 4).SequenceEqual(other.Slice(8, 4))
            && own.Slice(14, 2).SequenceEqual(other.Slice(14, 2))
            && own[18..].SequenceEqual(other[18..]);
    }

    private static MergeCandidate ParseTcp(ReadOnlySpan<byte> packet, int network)
    {
        if (packet.Length < network + TcpHeader)
        {
            return new MergeCandidate(MergeFate.Barrier);
        }

        int header = network + ((packet[network + 12] >> 4) * 4);
        if (header < network + TcpHeader || header > packet.Length)
        {
            return new MergeCandidate(MergeFate.Barrier);
        }

        // Reserved bits and everything but ACK, PSH and ECE stand alone, as in the kernel's own merging.
        bool isPlain = (packet[network + 13] & ~PushAndEce) == AckFlag && (packet[network + 12] & 0x0f) == 0;
        return new MergeCandidate(
            packet,
            isPlain && header < packet.Length ? MergeFate.Mergeable : MergeFate.FlowBarrier,
            network == Ipv6Header ? SegmentKind.TcpIpv6 : SegmentKind.TcpIpv4,
            network,
            header);
    }

    private static MergeCandidate ParseUdp(ReadOnlySpan<byte> packet, int network)
    {
        int header = network + UdpHeader;
        if (packet.Length < header || BinaryPrimitives.ReadUInt16BigEndian(packet[(network + 4)..]) != packet.Length - network)
        {
            return new MergeCandidate(MergeFate.Barrier);
        }

        bool hasChecksum = BinaryPrimitives.ReadUInt16BigEndian(packet[(network + 6)..]) != 0;
        return new MergeCandidate(
            packet,
            hasChecksum && packet.Length > header ? MergeFate.Mergeable : MergeFate.FlowBarrier,
            SegmentKind.Udp,
            network,
            header);
    }
}
