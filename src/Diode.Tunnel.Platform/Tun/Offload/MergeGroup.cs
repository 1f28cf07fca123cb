using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Interop.Linux;

namespace Diode.Tunnel.Platform.Tun.Offload;

/// <summary>
/// Packets of one flow that are to be written as one: the first one's header, copied and corrected when it is written, and the payload
/// of all of them by reference. The packets themselves stay as they are, so that they can still be written one by one.
/// </summary>
internal sealed unsafe class MergeGroup
{
    internal const int MaxPackets = 64;
    private const int MaxLength = 65_535;
    private const int MaxHeader = 128;
    private const int FirstPayload = 2;

    // In one pinned array: the virtio header, the IP and TCP or UDP header, and a vector for each and for every payload.
    private readonly byte[] _memory;
    private readonly byte* _virtio;
    private readonly byte* _header;
    private readonly Libc.IoVec* _vectors;

    // Keeps the arrays alive while the kernel's vectors point into them.
    private readonly PacketBuffer?[] _buffers = new PacketBuffer?[MaxPackets];
    private int _bufferCount;
    private int _payloadLength;
    private uint _nextSequence;
    private ushort _identification;
    private int _identificationStep;
    private bool _isVerified;
    private bool _isComplete;

    internal MergeGroup()
    {
        _memory = GC.AllocateArray<byte>(16 + MaxHeader + ((MaxPackets + FirstPayload) * sizeof(Libc.IoVec)) + 8, pinned: true);
        _virtio = (byte*)(((nint)Marshal.UnsafeAddrOfPinnedArrayElement(_memory, 0) + 7) & ~7);
        _header = _virtio + 16;
        _vectors = (Libc.IoVec*)(_header + MaxHeader);
    }

    internal SegmentKind Kind { get; private set; }

    /// <summary>Packets in the group.</summary>
    internal int Count { get; private set; }

    internal int NetworkLength { get; private set; }

    internal int HeaderLength { get; private set; }

    /// <summary>Payload of every packet but the last.</summary>
    internal int SegmentSize { get; private set; }

    /// <summary>True when nothing can follow: a short or pushed packet came, or it is full.</summary>
    internal bool IsComplete => _isComplete || Count == MaxPackets || HeaderLength + _payloadLength + SegmentSize > MaxLength;

    internal ReadOnlySpan<byte> FirstPacket => Original(0);

    /// <summary>The packet at an index as it was added.</summary>
    internal ReadOnlySpan<byte> Original(int index)
    {
        ref Libc.IoVec payload = ref _vectors[FirstPayload + index];
        return new ReadOnlySpan<byte>(payload.Base - HeaderLength, (int)payload.Length + HeaderLength);
    }

    /// <summary>Makes the group hold one packet.</summary>
    internal void Start(PacketBuffer buffer, in MergeCandidate packet)
    {
        Kind = packet.Kind;
        NetworkLength = packet.NetworkLength;
        HeaderLength = packet.HeaderLength;
        SegmentSize = packet.PayloadLength;
        _identification = packet.Identification;
        _isVerified = false;
        _isComplete = false;
        _payloadLength = 0;
        Count = 0;
        Append(buffer, in packet);
    }

    /// <summary>Appends a packet of the same flow if the receiver of the merged packet could not tell the difference.</summary>
    internal bool TryAppend(PacketBuffer buffer, in MergeCandidate packet)
    {
        if (IsComplete
            || packet.HeaderLength != HeaderLength
            || packet.PayloadLength > SegmentSize
            || (Kind != SegmentKind.Udp && packet.Sequence != _nextSequence))
        {
            return false;
        }

        ReadOnlySpan<byte> first = FirstPacket;
        if (!packet.HasSameHeader(first) || !IsNextIdentification(in packet))
        {
            return false;
        }

        if (!packet.IsChecksumValid() || !IsFirstValid(first))
        {
            return false;
        }

        Append(buffer, in packet);
        return true;
    }

    /// <summary>Completes header and vectors for writing as one.</summary>
    /// <returns>The number of vectors, the first of which is the virtio header.</returns>
    internal int Seal(out Libc.IoVec* vectors)
    {
        Span<byte> header = new(_header, HeaderLength);
        FirstPacket[..HeaderLength].CopyTo(header);
        int transportLength = HeaderLength - NetworkLength + _payloadLength;
        bool isUdp = Kind == SegmentKind.Udp;
        bool isIpv6 = header[0] >> 4 == 6;
        ulong sum;
        if (isIpv6)
        {
            BinaryPrimitives.WriteUInt16BigEndian(header[4..], (ushort)transportLength);
            sum = VectorChecksum.Add(header.Slice(8, 32));
        }
        else
        {
            BinaryPrimitives.WriteUInt16BigEndian(header[2..], (ushort)(NetworkLength + transportLength));
            BinaryPrimitives.WriteUInt16BigEndian(header[10..], 0);
            BinaryPrimitives.WriteUInt16BigEndian(header[10..], VectorChecksum.Finish(VectorChecksum.Add(header[..NetworkLength])));
            sum = VectorChecksum.Add(header.Slice(12, 8));
        }

        // The kernel expects the sum of the pseudo header where the checksum goes.
        sum = VectorChecksum.AddValue(VectorChecksum.AddValue(sum, isUdp ? (ushort)17 : (ushort)6), (ushort)transportLength);
        Span<byte> transport = header[NetworkLength..];
        BinaryPrimitives.WriteUInt16BigEndian(transport[(isUdp ? 6 : 16)..], VectorChecksum.Fold(sum));
        if (isUdp)
        {
            BinaryPrimitives.WriteUInt16BigEndian(transport[4..], (ushort)transportLength);
        }
        else
        {
            // PSH is the only flag in which the last may differ.
            transport[13] |= Original(Count - 1)[NetworkLength + 13];
        }

        *(VirtioHeader*)_virtio = new VirtioHeader
        {
            Flags = VirtioHeader.NeedsChecksum,
            GsoType = isUdp ? VirtioHeader.Udp : isIpv6 ? VirtioHeader.TcpIpv6 : VirtioHeader.TcpIpv4,
            HeaderLength = (ushort)HeaderLength,
            GsoSize = (ushort)SegmentSize,
            ChecksumStart = (ushort)NetworkLength,
            ChecksumOffset = isUdp ? (ushort)6 : (ushort)16,
        };
        _vectors[0] = new Libc.IoVec { Base = _virtio, Length = VirtioHeader.Length };
        _vectors[1] = new Libc.IoVec { Base = _header, Length = (nuint)HeaderLength };
        vectors = _vectors;
        return FirstPayload + Count;
    }

    /// <summary>The sealed group in one piece, with its virtio header.</summary>
    internal byte[] ToArray()
    {
        List<byte> bytes = [];
        int count = Seal(out Libc.IoVec* vectors);
        for (int i = 0; i < count; i++)
        {
            bytes.AddRange(new ReadOnlySpan<byte>(vectors[i].Base, (int)vectors[i].Length));
        }

        return [.. bytes];
    }

    /// <summary>Lets go of the packets.</summary>
    internal void Clear()
    {
        Count = 0;
        _buffers.AsSpan(0, _bufferCount).Clear();
        _bufferCount = 0;
    }

    private void Append(PacketBuffer buffer, in MergeCandidate packet)
    {
        if (_bufferCount == 0 || !ReferenceEquals(_buffers[_bufferCount - 1], buffer))
        {
            _buffers[_bufferCount++] = buffer;
        }

        // The span lies in the buffer's array, which is pinned for life.
        byte* bytes = (byte*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(packet.Packet));
        _vectors[FirstPayload + Count] = new Libc.IoVec { Base = bytes + HeaderLength, Length = (nuint)packet.PayloadLength };
        Count++;
        _payloadLength += packet.PayloadLength;
        if (Kind != SegmentKind.Udp)
        {
            _nextSequence = packet.Sequence + (uint)packet.PayloadLength;
        }

        _isComplete = packet.EndsMerge || packet.PayloadLength < SegmentSize;
    }

    /// <summary>
    /// Identifications count up, or all are the same where they have no meaning. What is cut again counts up, which then is as it was or
    /// does not matter.
    /// </summary>
    private bool IsNextIdentification(in MergeCandidate packet)
    {
        int step = (ushort)(packet.Identification - _identification);
        if (Count == 1)
        {
            _identificationStep = step;
            return step == 1 || (step == 0 && packet.IsAtomic);
        }

        return step == (ushort)(_identificationStep * Count);
    }

    private bool IsFirstValid(ReadOnlySpan<byte> first) =>
        _isVerified || (_isVerified = MergeCandidate.Parse(first).IsChecksumValid());
}
