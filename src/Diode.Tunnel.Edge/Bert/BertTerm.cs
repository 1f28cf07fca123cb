using System.Numerics;
using System.Text;

namespace Diode.Tunnel.Edge.Bert;

/// <summary>An immutable Erlang term, as far as Diode objects and peer messages use them (reference §6.2).</summary>
public sealed class BertTerm
{
    private readonly byte[] _bytes = [];
    private readonly BertTerm[] _items = [];

    private BertTerm(BertKind kind)
    {
        Kind = kind;
    }

    /// <summary>The empty list.</summary>
    public static BertTerm EmptyList { get; } = FromList([]);

    /// <summary>Which of the properties counts.</summary>
    public BertKind Kind { get; }

    /// <summary>The number, of an integer.</summary>
    public BigInteger Number { get; private init; }

    /// <summary>The number, of a float.</summary>
    public double Real { get; private init; }

    /// <summary>The bytes, of a binary or bit string (unused bits are 0).</summary>
    public ReadOnlyMemory<byte> Bytes => _bytes;

    /// <summary>Number of bits used in the last byte, of a bit string: 1..7.</summary>
    public int LastBits { get; private init; }

    /// <summary>The name, of an atom.</summary>
    public string Atom { get; private init; } = "";

    /// <summary>
    /// The elements, of a list or tuple; key, value, key, value…, of a map; the elements and then the tail, of an
    /// improper list.
    /// </summary>
    public IReadOnlyList<BertTerm> Items => _items;

    /// <summary>Makes an integer.</summary>
    public static BertTerm FromNumber(BigInteger value)
    {
        return new BertTerm(BertKind.Number) { Number = value };
    }

    /// <summary>Makes a float.</summary>
    public static BertTerm FromReal(double value)
    {
        return new BertTerm(BertKind.Real) { Real = value };
    }

    /// <summary>Makes a binary; copies the bytes.</summary>
    public static BertTerm FromBinary(ReadOnlySpan<byte> bytes)
    {
        return new BertTerm(BertKind.Binary, bytes.ToArray());
    }

    /// <summary>Makes a binary of the UTF-8 bytes of a text.</summary>
    public static BertTerm FromText(string text)
    {
        return new BertTerm(BertKind.Binary, Encoding.UTF8.GetBytes(text));
    }

    /// <summary>Makes a bit string; with 8 bits in the last byte, or no byte at all, it is a binary.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="lastBits"/> is not 1..8.</exception>
    public static BertTerm FromBits(ReadOnlySpan<byte> bytes, int lastBits)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(lastBits, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(lastBits, 8);
        if (lastBits == 8 || bytes.IsEmpty)
        {
            return FromBinary(bytes);
        }

        byte[] copy = bytes.ToArray();
        copy[^1] &= (byte)(0xff << (8 - lastBits));
        return new BertTerm(BertKind.Bits, copy) { LastBits = lastBits };
    }

    /// <summary>Makes an atom.</summary>
    public static BertTerm FromAtom(string name)
    {
        return new BertTerm(BertKind.Atom) { Atom = name };
    }

    /// <summary>Makes a list.</summary>
    public static BertTerm FromList(params ReadOnlySpan<BertTerm> items)
    {
        return new BertTerm(BertKind.List, items.ToArray());
    }

    /// <summary>Makes a tuple.</summary>
    public static BertTerm FromTuple(params ReadOnlySpan<BertTerm> items)
    {
        return new BertTerm(BertKind.Tuple, items.ToArray());
    }

    /// <summary>Makes a map of key, value, key, value…; the order is kept.</summary>
    /// <exception cref="ArgumentException">The last key has no value.</exception>
    public static BertTerm FromMap(params ReadOnlySpan<BertTerm> keysAndValues)
    {
        if (keysAndValues.Length % 2 != 0)
        {
            throw new ArgumentException("a map needs a value for every key", nameof(keysAndValues));
        }

        return new BertTerm(BertKind.Map, keysAndValues.ToArray());
    }

    internal static BertTerm FromImproperList(ReadOnlySpan<BertTerm> itemsAndTail)
    {
        return new BertTerm(BertKind.ImproperList, itemsAndTail.ToArray());
    }

    private BertTerm(BertKind kind, byte[] bytes)
        : this(kind)
    {
        _bytes = bytes;
    }

    private BertTerm(BertKind kind, BertTerm[] items)
        : this(kind)
    {
        _items = items;
    }
}
