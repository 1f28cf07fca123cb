using System.Buffers;
using System.Buffers.Binary;

namespace Diode.Tunnel.Relay.RelayPeers;

/// <summary>
/// The frame of <c>[portsend, ref, data]</c>, written and read without terms in between: the payload is deflate whose
/// blocks are stored, not compressed (RFC 1951 §3.2.4), which every inflater reads. Anything else that means the same is
/// left to <see cref="PeerFrames"/>.
/// </summary>
internal static class PortFrame
{
    /// <summary>The most data in one frame: its payload must fit one stored block.</summary>
    public const int MaxData = 65_000;

    private const int BlockHeader = 5;
    private const byte LastStored = 1;
    private const int RefHead = 5;

    // Version, list of three, atom "portsend", head of the binary that is the ref.
    private static readonly byte[] Start = [0x83, 0x6c, 0, 0, 0, 3, 0x77, 8, .. "portsend"u8, 0x6d, 0, 0, 0];

    /// <summary>Writes a frame into a rented array; give it back with <see cref="ArrayPool{T}.Return"/>.</summary>
    public static byte[] Rent(ulong portRef, ReadOnlySpan<byte> data, out int length)
    {
        Span<byte> refBytes = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64BigEndian(refBytes, portRef);
        refBytes = refBytes.TrimStart((byte)0);
        int term = Start.Length + 1 + refBytes.Length + RefHead + data.Length + 1;
        length = PeerLimits.HeaderLength + BlockHeader + term;
        byte[] frame = ArrayPool<byte>.Shared.Rent(length);
        Span<byte> rest = frame;
        BinaryPrimitives.WriteInt32BigEndian(rest, BlockHeader + term);
        rest = rest[PeerLimits.HeaderLength..];
        rest[0] = LastStored;
        BinaryPrimitives.WriteUInt16LittleEndian(rest[1..], (ushort)term);
        BinaryPrimitives.WriteUInt16LittleEndian(rest[3..], (ushort)~term);
        rest = rest[BlockHeader..];
        Start.CopyTo(rest);
        rest = rest[Start.Length..];
        rest[0] = (byte)refBytes.Length;
        refBytes.CopyTo(rest[1..]);
        rest = rest[(1 + refBytes.Length)..];
        rest[0] = 0x6d;
        BinaryPrimitives.WriteInt32BigEndian(rest[1..], data.Length);
        data.CopyTo(rest[RefHead..]);
        rest[RefHead + data.Length] = 0x6a;
        return frame;
    }

    /// <summary>Reads a payload if it is exactly of this form; false says nothing about its validity.</summary>
    public static bool TryRead(ReadOnlySpan<byte> payload, out ulong portRef, out ReadOnlySpan<byte> data)
    {
        portRef = 0;
        data = default;
        if (payload.Length < BlockHeader + Start.Length + 1
            || payload[0] != LastStored
            || BinaryPrimitives.ReadUInt16LittleEndian(payload[1..]) != payload.Length - BlockHeader
            || (ushort)~BinaryPrimitives.ReadUInt16LittleEndian(payload[3..]) != payload.Length - BlockHeader
            || !payload[BlockHeader..].StartsWith(Start))
        {
            return false;
        }

        ReadOnlySpan<byte> rest = payload[(BlockHeader + Start.Length)..];
        int refLength = rest[0];
        if (rest.Length < 1 + refLength + RefHead + 1
            || !PeerTerms.TryGetRef(rest.Slice(1, refLength), out portRef))
        {
            return false;
        }

        rest = rest[(1 + refLength)..];
        if (rest[0] != 0x6d
            || BinaryPrimitives.ReadUInt32BigEndian(rest[1..]) != rest.Length - RefHead - 1
            || rest[^1] != 0x6a)
        {
            return false;
        }

        data = rest[RefHead..^1];
        return true;
    }
}
