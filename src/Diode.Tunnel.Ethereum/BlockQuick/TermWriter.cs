using System.Buffers;
using System.Buffers.Binary;
using System.Numerics;

namespace Diode.Tunnel.Ethereum.BlockQuick;

/// <summary>
/// Writes the few Erlang terms (external term format, minor version 1) that hashes of Diode L1 are made of. Whole BERT with
/// its reader belongs to the Edge protocol, which builds on this project. One user at a time.
/// </summary>
internal sealed class TermWriter
{
    private const byte Version = 131;
    private const byte SmallInteger = 97;
    private const byte Integer = 98;
    private const byte SmallTuple = 104;
    private const byte Nil = 106;
    private const byte List = 108;
    private const byte Binary = 109;
    private const byte SmallBig = 110;
    private const byte BitBinary = 77;
    private const int BitsPerByte = 8;

    private readonly ArrayBufferWriter<byte> _output = new(512);

    public TermWriter()
    {
        WriteByte(Version);
    }

    public byte[] ToArray() => _output.WrittenSpan.ToArray();

    public Hash256 Sha256() => Hash256.Sha256(_output.WrittenSpan);

    /// <summary>SHA-256 of a list of hashes.</summary>
    public static Hash256 HashList(params ReadOnlySpan<Hash256> hashes)
    {
        var writer = new TermWriter();
        writer.BeginList(hashes.Length);
        foreach (Hash256 hash in hashes)
        {
            writer.WriteBinary(hash);
        }

        writer.EndList();
        return writer.Sha256();
    }

    /// <summary>A list of one element or more; not for lists of nothing but bytes, which are strings.</summary>
    public void BeginList(int count)
    {
        WriteByte(List);
        WriteLength(count);
    }

    public void EndList() => WriteByte(Nil);

    public void BeginTuple(byte count)
    {
        WriteByte(SmallTuple);
        WriteByte(count);
    }

    public void WriteBinary(ReadOnlySpan<byte> value)
    {
        WriteByte(Binary);
        WriteLength(value.Length);
        _output.Write(value);
    }

    public void WriteBinary(in Hash256 value)
    {
        Span<byte> bytes = stackalloc byte[Hash256.Length];
        value.CopyTo(bytes);
        WriteBinary(bytes);
    }

    /// <summary>The first bits of some bytes: a plain binary when they fill whole bytes.</summary>
    public void WriteBits(ReadOnlySpan<byte> bytes, int bits)
    {
        int whole = bits / BitsPerByte;
        int rest = bits % BitsPerByte;
        if (rest == 0)
        {
            WriteBinary(bytes[..whole]);
            return;
        }

        WriteByte(BitBinary);
        WriteLength(whole + 1);
        WriteByte((byte)rest);
        _output.Write(bytes[..whole]);
        WriteByte((byte)(bytes[whole] & (0xff << (BitsPerByte - rest))));
    }

    /// <summary>A non-negative number below 2^2040.</summary>
    public void WriteNumber(in BigInteger value)
    {
        if (value <= byte.MaxValue)
        {
            WriteByte(SmallInteger);
            WriteByte((byte)value);
        }
        else if (value <= int.MaxValue)
        {
            WriteByte(Integer);
            WriteLength((int)value);
        }
        else
        {
            byte[] magnitude = value.ToByteArray(isUnsigned: true);
            WriteByte(SmallBig);
            WriteByte(checked((byte)magnitude.Length));
            WriteByte(0);
            _output.Write(magnitude);
        }
    }

    private void WriteLength(int value)
    {
        BinaryPrimitives.WriteInt32BigEndian(_output.GetSpan(sizeof(int)), value);
        _output.Advance(sizeof(int));
    }

    private void WriteByte(byte value)
    {
        _output.GetSpan(1)[0] = value;
        _output.Advance(1);
    }
}
