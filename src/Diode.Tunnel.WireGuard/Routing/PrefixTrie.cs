namespace Diode.Tunnel.WireGuard.Routing;

/// <summary>
/// Immutable path-compressed binary trie over prefixes of up to 128 bits, left-aligned in a <see cref="UInt128"/>.
/// A change copies the nodes on one path, so that 10,000 insertions one after the other stay cheap.
/// </summary>
internal sealed class PrefixTrie<T>
    where T : class
{
    private const int MaxLength = 128;
    private readonly Node? _root;

    private PrefixTrie(Node? root)
    {
        _root = root;
    }

    public static PrefixTrie<T> Empty { get; } = new(null);

    /// <summary>Value of the longest prefix that contains the address.</summary>
    public T? Find(UInt128 address)
    {
        T? best = null;
        Node? node = _root;
        while (node is not null && Matches(address, node.Bits, node.Length))
        {
            best = node.Value ?? best;
            if (node.Length == MaxLength)
            {
                break;
            }

            node = Bit(address, node.Length) ? node.One : node.Zero;
        }

        return best;
    }

    /// <summary>Sets the value of a prefix, replacing an earlier one.</summary>
    public PrefixTrie<T> Set(UInt128 bits, int length, T value)
    {
        return new PrefixTrie<T>(Insert(_root, Mask(bits, length), length, value));
    }

    /// <summary>Removes a prefix if it has this value.</summary>
    public PrefixTrie<T> Remove(UInt128 bits, int length, T value)
    {
        return new PrefixTrie<T>(Delete(_root, Mask(bits, length), length, value));
    }

    private static Node Insert(Node? node, UInt128 bits, int length, T value)
    {
        if (node is null)
        {
            return new Node(bits, length, value, null, null);
        }

        int common = Math.Min(Math.Min(length, node.Length), CommonLength(bits, node.Bits));
        if (common == node.Length)
        {
            if (common == length)
            {
                return node.With(value);
            }

            return Bit(bits, common)
                ? node.With(node.Zero, Insert(node.One, bits, length, value))
                : node.With(Insert(node.Zero, bits, length, value), node.One);
        }

        if (common == length)
        {
            return Bit(node.Bits, common)
                ? new Node(bits, length, value, null, node)
                : new Node(bits, length, value, node, null);
        }

        Node leaf = new(bits, length, value, null, null);
        UInt128 shared = Mask(bits, common);
        return Bit(bits, common) ? new Node(shared, common, null, node, leaf) : new Node(shared, common, null, leaf, node);
    }

    private static Node? Delete(Node? node, UInt128 bits, int length, T value)
    {
        if (node is null || node.Length > length || !Matches(bits, node.Bits, node.Length))
        {
            return node;
        }

        if (node.Length == length)
        {
            return ReferenceEquals(node.Value, value) ? Shorten(node.With(null)) : node;
        }

        return Bit(bits, node.Length)
            ? Shorten(node.With(node.Zero, Delete(node.One, bits, length, value)))
            : Shorten(node.With(Delete(node.Zero, bits, length, value), node.One));
    }

    /// <summary>A node without a value only earns its place by having two children.</summary>
    private static Node? Shorten(Node node)
    {
        bool needed = node.Value is not null || (node.Zero is not null && node.One is not null);
        return needed ? node : node.Zero ?? node.One;
    }

    private static bool Bit(UInt128 bits, int index)
    {
        return (bits & (UInt128.One << (MaxLength - 1 - index))) != UInt128.Zero;
    }

    private static UInt128 Mask(UInt128 bits, int length)
    {
        return length == 0 ? UInt128.Zero : bits & (UInt128.MaxValue << (MaxLength - length));
    }

    private static bool Matches(UInt128 address, UInt128 bits, int length)
    {
        return length == 0 || (address ^ bits) >> (MaxLength - length) == UInt128.Zero;
    }

    private static int CommonLength(UInt128 left, UInt128 right)
    {
        return (int)UInt128.LeadingZeroCount(left ^ right);
    }

    private sealed class Node(UInt128 bits, int length, T? value, Node? zero, Node? one)
    {
        public readonly UInt128 Bits = bits;
        public readonly int Length = length;
        public readonly T? Value = value;
        public readonly Node? Zero = zero;
        public readonly Node? One = one;

        public Node With(T? newValue)
        {
            return new Node(Bits, Length, newValue, Zero, One);
        }

        public Node With(Node? zeroChild, Node? oneChild)
        {
            return new Node(Bits, Length, Value, zeroChild, oneChild);
        }
    }
}
