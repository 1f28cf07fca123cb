using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Text;

namespace Diode.Tunnel.Edge.Bert;

/// <summary>
/// Encodes terms as <c>term_to_binary</c> does, never compressed: minor version 1 for hashes, signatures and objects,
/// or with UTF-8 atoms as Erlang 26 and later do by default (reference §6.1). Map pairs are written in the given order.
/// </summary>
public static class BertEncoder
{
    private const int MaxStringLength = 65535;

    /// <summary>The encoding with the version byte.</summary>
    public static byte[] Encode(BertTerm term, bool utf8Atoms = false)
    {
        var output = new ArrayBufferWriter<byte>();
        WriteByte(output, BertTag.Version);
        Write(output, term, utf8Atoms);
        return output.WrittenSpan.ToArray();
    }

    private static void Write(ArrayBufferWriter<byte> output, BertTerm term, bool utf8Atoms)
    {
        switch (term.Kind)
        {
            case BertKind.Number:
                WriteInteger(output, term.Number);
                break;
            case BertKind.Binary:
                WriteLength(output, BertTag.Binary, term.Bytes.Length);
                output.Write(term.Bytes.Span);
                break;
            case BertKind.Bits:
                WriteLength(output, BertTag.BitBinary, term.Bytes.Length);
                WriteByte(output, (byte)term.LastBits);
                output.Write(term.Bytes.Span);
                break;
            case BertKind.List:
                WriteList(output, term.Items, utf8Atoms);
                break;
            case BertKind.ImproperList:
                WriteLength(output, BertTag.List, term.Items.Count - 1);
                WriteItems(output, term.Items, utf8Atoms);
                break;
            case BertKind.Tuple when term.Items.Count <= byte.MaxValue:
                WriteByte(output, BertTag.SmallTuple);
                WriteByte(output, (byte)term.Items.Count);
                WriteItems(output, term.Items, utf8Atoms);
                break;
            case BertKind.Tuple:
                WriteLength(output, BertTag.LargeTuple, term.Items.Count);
                WriteItems(output, term.Items, utf8Atoms);
                break;
            case BertKind.Atom:
                WriteAtom(output, term.Atom, utf8Atoms);
                break;
            case BertKind.Map:
                WriteLength(output, BertTag.Map, term.Items.Count / 2);
                WriteItems(output, term.Items, utf8Atoms);
                break;
            case BertKind.Real:
                WriteByte(output, BertTag.NewFloat);
                BinaryPrimitives.WriteDoubleBigEndian(output.GetSpan(sizeof(double)), term.Real);
                output.Advance(sizeof(double));
                break;
            default:
                throw new InvalidOperationException(
                    string.Create(CultureInfo.InvariantCulture, $"no encoding for term kind {term.Kind}"));
        }
    }

    private static void WriteInteger(ArrayBufferWriter<byte> output, BigInteger value)
    {
        if (value.Sign >= 0 && value <= byte.MaxValue)
        {
            WriteByte(output, BertTag.SmallInteger);
            WriteByte(output, (byte)value);
            return;
        }

        if (value >= int.MinValue && value <= int.MaxValue)
        {
            WriteByte(output, BertTag.Integer);
            BinaryPrimitives.WriteInt32BigEndian(output.GetSpan(sizeof(int)), (int)value);
            output.Advance(sizeof(int));
            return;
        }

        byte[] magnitude = BigInteger.Abs(value).ToByteArray(isUnsigned: true);
        if (magnitude.Length <= byte.MaxValue)
        {
            WriteByte(output, BertTag.SmallBig);
            WriteByte(output, (byte)magnitude.Length);
        }
        else
        {
            WriteLength(output, BertTag.LargeBig, magnitude.Length);
        }

        WriteByte(output, value.Sign < 0 ? (byte)1 : (byte)0);
        output.Write(magnitude);
    }

    private static void WriteList(ArrayBufferWriter<byte> output, IReadOnlyList<BertTerm> items, bool utf8Atoms)
    {
        if (items.Count > 0 && items.Count <= MaxStringLength && items.All(IsByte))
        {
            WriteByte(output, BertTag.String);
            BinaryPrimitives.WriteUInt16BigEndian(output.GetSpan(sizeof(ushort)), (ushort)items.Count);
            output.Advance(sizeof(ushort));
            foreach (BertTerm item in items)
            {
                WriteByte(output, (byte)item.Number);
            }

            return;
        }

        if (items.Count > 0)
        {
            WriteLength(output, BertTag.List, items.Count);
            WriteItems(output, items, utf8Atoms);
        }

        WriteByte(output, BertTag.Nil);
    }

    private static bool IsByte(BertTerm item)
    {
        return item.Kind == BertKind.Number && item.Number.Sign >= 0 && item.Number <= byte.MaxValue;
    }

    private static void WriteItems(ArrayBufferWriter<byte> output, IReadOnlyList<BertTerm> items, bool utf8Atoms)
    {
        foreach (BertTerm item in items)
        {
            Write(output, item, utf8Atoms);
        }
    }

    private static void WriteAtom(ArrayBufferWriter<byte> output, string name, bool utf8Atoms)
    {
        byte[] bytes = utf8Atoms ? Encoding.UTF8.GetBytes(name) : Encoding.Latin1.GetBytes(name);
        if (utf8Atoms && bytes.Length <= byte.MaxValue)
        {
            WriteByte(output, BertTag.SmallAtomUtf8);
            WriteByte(output, (byte)bytes.Length);
        }
        else
        {
            WriteByte(output, utf8Atoms ? BertTag.AtomUtf8 : BertTag.Atom);
            BinaryPrimitives.WriteUInt16BigEndian(output.GetSpan(sizeof(ushort)), (ushort)bytes.Length);
            output.Advance(sizeof(ushort));
        }

        output.Write(bytes);
    }

    private static void WriteLength(ArrayBufferWriter<byte> output, byte tag, int length)
    {
        WriteByte(output, tag);
        BinaryPrimitives.WriteInt32BigEndian(output.GetSpan(sizeof(int)), length);
        output.Advance(sizeof(int));
    }

    private static void WriteByte(ArrayBufferWriter<byte> output, byte value)
    {
        output.GetSpan(1)[0] = value;
        output.Advance(1);
    }
}
