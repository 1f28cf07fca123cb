using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Diode.Tunnel.Ethereum.Sapphire;

/// <summary>
/// Writes the part of CBOR (RFC 8949) that Oasis messages use: unsigned numbers, bytes, texts and maps, all in shortest form. The order of
/// a map's members (shorter keys first, then by their bytes) is the caller's part. Not thread-safe.
/// </summary>
public sealed class CborWriter
{
    private readonly ArrayBufferWriter<byte> _buffer = new(256);

    /// <summary>Begins a map of so many members: a text and a value each.</summary>
    public CborWriter BeginMap(int members) => WriteHead(CborKind.Map, (ulong)members);

    /// <summary>A number.</summary>
    public CborWriter WriteUInt(ulong value) => WriteHead(CborKind.UInt, value);

    /// <summary>Bytes.</summary>
    public CborWriter WriteBytes(ReadOnlySpan<byte> bytes)
    {
        WriteHead(CborKind.Bytes, (ulong)bytes.Length);
        _buffer.Write(bytes);
        return this;
    }

    /// <summary>A text, such as a key of a map.</summary>
    public CborWriter WriteText(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        WriteHead(CborKind.Text, (ulong)bytes.Length);
        _buffer.Write(bytes);
        return this;
    }

    /// <summary>A value that is CBOR already.</summary>
    public CborWriter WriteEncoded(ReadOnlySpan<byte> cbor)
    {
        _buffer.Write(cbor);
        return this;
    }

    /// <summary>What was written.</summary>
    public byte[] ToArray() => _buffer.WrittenSpan.ToArray();

    private CborWriter WriteHead(CborKind kind, ulong value)
    {
        Span<byte> head = stackalloc byte[9];
        int length;
        byte information;
        switch (value)
        {
            case < CborReader.OneByteFollows:
                (information, length) = ((byte)value, 1);
                break;
            case <= byte.MaxValue:
                (information, length) = (CborReader.OneByteFollows, 2);
                head[1] = (byte)value;
                break;
            case <= ushort.MaxValue:
                (information, length) = (CborReader.OneByteFollows + 1, 3);
                BinaryPrimitives.WriteUInt16BigEndian(head[1..], (ushort)value);
                break;
            case <= uint.MaxValue:
                (information, length) = (CborReader.OneByteFollows + 2, 5);
                BinaryPrimitives.WriteUInt32BigEndian(head[1..], (uint)value);
                break;
            default:
                (information, length) = (CborReader.OneByteFollows + 3, 9);
                BinaryPrimitives.WriteUInt64BigEndian(head[1..], value);
                break;
        }

        head[0] = (byte)(((int)kind << 5) | information);
        _buffer.Write(head[..length]);
        return this;
    }
}
