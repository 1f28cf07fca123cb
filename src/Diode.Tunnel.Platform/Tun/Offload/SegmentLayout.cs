namespace Diode.Tunnel.Platform.Tun.Offload;

/// <summary>
/// How a super-packet is cut: one IP and TCP or UDP header, then the payload of all segments. Lengths and checksums in its header are
/// placeholders; <see cref="Segmenter"/> writes the true ones. The default value means an ordinary packet.
/// </summary>
public readonly struct SegmentLayout : IEquatable<SegmentLayout>
{
    /// <summary>Creates a layout. What it says was checked against the packet.</summary>
    /// <param name="kind">Not <see cref="SegmentKind.None"/>.</param>
    /// <param name="networkLength">Length of the IP header (with IPv6 extension headers): where TCP or UDP begins.</param>
    /// <param name="headerLength">Length of both headers.</param>
    /// <param name="segmentSize">Payload of a segment; the last has what is left.</param>
    public SegmentLayout(SegmentKind kind, int networkLength, int headerLength, int segmentSize)
    {
        Kind = kind;
        ChecksumStart = (ushort)networkLength;
        HeaderLength = headerLength;
        SegmentSize = segmentSize;
    }

    /// <summary>What the packet is.</summary>
    public SegmentKind Kind { get; }

    /// <summary>Bytes of IP and TCP or UDP header that every segment repeats.</summary>
    public int HeaderLength { get; }

    /// <summary>Payload bytes of a segment; the last one has what is left.</summary>
    public int SegmentSize { get; }

    /// <summary>Where the TCP or UDP header begins.</summary>
    public int ChecksumStart { get; }

    /// <summary>Where the checksum lies behind <see cref="ChecksumStart"/>.</summary>
    public int ChecksumOffset => Kind == SegmentKind.Udp ? 6 : 16;

    /// <summary>True if the packet must go through <see cref="Segmenter"/>.</summary>
    public bool IsSuperPacket => Kind != SegmentKind.None;

    /// <summary>True if the checksum in the packet is a placeholder, which is so in every super-packet.</summary>
    public bool NeedsChecksum => IsSuperPacket;

    /// <summary>How many packets the network sees.</summary>
    /// <param name="packetLength">Length of the super-packet with its header.</param>
    public int SegmentCount(int packetLength) =>
        IsSuperPacket ? Math.Max(1, (packetLength - HeaderLength + SegmentSize - 1) / SegmentSize) : 1;

    /// <summary>Length of one of the packets with its header.</summary>
    /// <param name="packetLength">Length of the super-packet with its header.</param>
    /// <param name="index">Which, from 0.</param>
    public int SegmentLength(int packetLength, int index) => IsSuperPacket
        ? HeaderLength + Math.Min(SegmentSize, packetLength - HeaderLength - (index * SegmentSize))
        : packetLength;

    /// <inheritdoc/>
    public bool Equals(SegmentLayout other) => Kind == other.Kind && HeaderLength == other.HeaderLength
        && SegmentSize == other.SegmentSize && ChecksumStart == other.ChecksumStart;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is SegmentLayout other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Kind, HeaderLength, SegmentSize, ChecksumStart);

    /// <summary>Equality of all fields.</summary>
    public static bool operator ==(SegmentLayout left, SegmentLayout right) => left.Equals(right);

    /// <summary>Inequality.</summary>
    public static bool operator !=(SegmentLayout left, SegmentLayout right) => !left.Equals(right);
}
