using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Numerics;
using System.Text;
using System.Text.Unicode;

namespace Diode.Tunnel.Edge.Bert;

/// <summary>Reads terms from a span; every count is checked against the bytes that are left before it is believed.</summary>
internal ref struct BertTermReader
{
    private const int MaxAtomCharacters = 255;
    private const int OldFloatLength = 31;

    private readonly BertAtoms _atoms;
    private ReadOnlySpan<byte> _rest;

    public BertTermReader(ReadOnlySpan<byte> data, BertAtoms atoms)
    {
        _rest = data;
        _atoms = atoms;
    }

    public bool TryRead(int depth, [NotNullWhen(true)] out BertTerm? term)
    {
        term = null;
        if (depth == 0 || !TryTake(1, out ReadOnlySpan<byte> tag))
        {
            return false;
        }

        switch (tag[0])
        {
            case BertTag.SmallInteger:
                term = TryTake(1, out ReadOnlySpan<byte> small) ? BertTerm.FromNumber(small[0]) : null;
                break;
            case BertTag.Integer:
                term = TryTake(4, out ReadOnlySpan<byte> integer)
                    ? BertTerm.FromNumber(BinaryPrimitives.ReadInt32BigEndian(integer))
                    : null;
                break;
            case BertTag.SmallBig:
                term = TryTakeCounted(1, out int digits) ? ReadBig(digits) : null;
                break;
            case BertTag.LargeBig:
                term = TryTakeCounted(4, out int manyDigits) ? ReadBig(manyDigits) : null;
                break;
            case BertTag.NewFloat:
                term = TryTake(sizeof(double), out ReadOnlySpan<byte> ieee)
                    ? FromFiniteFloat(BinaryPrimitives.ReadDoubleBigEndian(ieee))
                    : null;
                break;
            case BertTag.Float:
                term = ReadOldFloat();
                break;
            case BertTag.Binary:
                term = TryTakeCounted(4, out int length) && TryTake(length, out ReadOnlySpan<byte> binary)
                    ? BertTerm.FromBinary(binary)
                    : null;
                break;
            case BertTag.BitBinary:
                term = ReadBits();
                break;
            case BertTag.Atom:
                term = TryTakeCounted(2, out int latin) ? ReadAtom(latin, utf8: false) : null;
                break;
            case BertTag.SmallAtom:
                term = TryTakeCounted(1, out int smallLatin) ? ReadAtom(smallLatin, utf8: false) : null;
                break;
            case BertTag.AtomUtf8:
                term = TryTakeCounted(2, out int utf8) ? ReadAtom(utf8, utf8: true) : null;
                break;
            case BertTag.SmallAtomUtf8:
                term = TryTakeCounted(1, out int smallUtf8) ? ReadAtom(smallUtf8, utf8: true) : null;
                break;
            case BertTag.Nil:
                term = BertTerm.EmptyList;
                break;
            case BertTag.String:
                term = ReadString();
                break;
            case BertTag.List:
                term = ReadList(depth);
                break;
            case BertTag.SmallTuple:
                term = TryTakeCounted(1, out int few) && TryReadItems(few, depth, out BertTerm[] fewItems)
                    ? BertTerm.FromTuple(fewItems)
                    : null;
                break;
            case BertTag.LargeTuple:
                term = TryTakeCounted(4, out int many) && TryReadItems(many, depth, out BertTerm[] manyItems)
                    ? BertTerm.FromTuple(manyItems)
                    : null;
                break;
            case BertTag.Map:
                term = ReadMap(depth);
                break;
            default:
                break;
        }

        return term is not null;
    }

    private BertTerm? ReadBig(int digits)
    {
        if (!TryTake(1, out ReadOnlySpan<byte> sign) || !TryTake(digits, out ReadOnlySpan<byte> magnitude))
        {
            return null;
        }

        var value = new BigInteger(magnitude, isUnsigned: true);
        return BertTerm.FromNumber(sign[0] == 0 ? value : -value);
    }

    private BertTerm? ReadOldFloat()
    {
        if (!TryTake(OldFloatLength, out ReadOnlySpan<byte> text))
        {
            return null;
        }

        int end = text.IndexOf((byte)0);
        text = end < 0 ? text : text[..end];
        return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value)
            ? FromFiniteFloat(value)
            : null;
    }

    private static BertTerm? FromFiniteFloat(double value)
    {
        return double.IsFinite(value) ? BertTerm.FromReal(value) : null;
    }

    private BertTerm? ReadBits()
    {
        if (!TryTakeCounted(4, out int length)
            || !TryTake(1, out ReadOnlySpan<byte> lastBits)
            || lastBits[0] is 0 or > 8
            || !TryTake(length, out ReadOnlySpan<byte> bits))
        {
            return null;
        }

        return BertTerm.FromBits(bits, lastBits[0]);
    }

    private BertTerm? ReadAtom(int length, bool utf8)
    {
        if (!TryTake(length, out ReadOnlySpan<byte> bytes) || (utf8 && !Utf8.IsValid(bytes)))
        {
            return null;
        }

        string name = (utf8 ? Encoding.UTF8 : Encoding.Latin1).GetString(bytes);
        bool accepted = name.Length <= MaxAtomCharacters
            && (_atoms == BertAtoms.Any || KnownAtoms.Names.Contains(name));
        return accepted ? BertTerm.FromAtom(name) : null;
    }

    private BertTerm? ReadString()
    {
        if (!TryTakeCounted(2, out int length) || !TryTake(length, out ReadOnlySpan<byte> bytes))
        {
            return null;
        }

        var items = new BertTerm[bytes.Length];
        for (int i = 0; i < items.Length; i++)
        {
            items[i] = BertTerm.FromNumber(bytes[i]);
        }

        return BertTerm.FromList(items);
    }

    private BertTerm? ReadList(int depth)
    {
        if (!TryTakeCounted(4, out int count)
            || !TryReadItems(count, depth, out BertTerm[] items)
            || !TryRead(depth - 1, out BertTerm? tail))
        {
            return null;
        }

        if (tail.Kind == BertKind.List)
        {
            return tail.Items.Count == 0 ? BertTerm.FromList(items) : BertTerm.FromList([.. items, .. tail.Items]);
        }

        return items.Length == 0 ? tail : BertTerm.FromImproperList([.. items, tail]);
    }

    private BertTerm? ReadMap(int depth)
    {
        if (!TryTakeCounted(4, out int pairs)
            || pairs > _rest.Length / 2
            || !TryReadItems(2 * pairs, depth, out BertTerm[] items))
        {
            return null;
        }

        var keys = new HashSet<string>(pairs, StringComparer.Ordinal);
        for (int i = 0; i < items.Length; i += 2)
        {
            if (!keys.Add(Encoding.Latin1.GetString(BertEncoder.Encode(items[i], utf8Atoms: true))))
            {
                return null;
            }
        }

        return BertTerm.FromMap(items);
    }

    private bool TryReadItems(int count, int depth, out BertTerm[] items)
    {
        items = [];

        // Every term takes a byte at least.
        if (count > _rest.Length)
        {
            return false;
        }

        var read = new List<BertTerm>(Math.Min(count, 64));
        for (int i = 0; i < count; i++)
        {
            if (!TryRead(depth - 1, out BertTerm? item))
            {
                return false;
            }

            read.Add(item);
        }

        items = [.. read];
        return true;
    }

    /// <summary>Reads a big-endian count of 1, 2 or 4 bytes that does not exceed what is left.</summary>
    private bool TryTakeCounted(int width, out int count)
    {
        count = 0;
        if (!TryTake(width, out ReadOnlySpan<byte> bytes))
        {
            return false;
        }

        uint value = 0;
        foreach (byte next in bytes)
        {
            value = (value << 8) | next;
        }

        count = (int)Math.Min(value, int.MaxValue);
        return value <= (uint)_rest.Length;
    }

    private bool TryTake(int count, out ReadOnlySpan<byte> taken)
    {
        taken = default;
        if (count > _rest.Length)
        {
            return false;
        }

        taken = _rest[..count];
        _rest = _rest[count..];
        return true;
    }
}
