using System.Diagnostics.CodeAnalysis;

namespace Diode.Tunnel.Ethereum.Rlp;

/// <summary>A decoded RLP tree, for tools and tests; the codecs use <see cref="RlpReader"/>.</summary>
public sealed class RlpItem
{
    /// <summary>Deepest nesting of lists that is read or written: bounds the stack on hostile input.</summary>
    public const int MaxDepth = 64;

    private readonly byte[] _bytes;
    private readonly RlpItem[]? _items;

    private RlpItem(byte[] bytes, RlpItem[]? items)
    {
        _bytes = bytes;
        _items = items;
    }

    /// <summary>Whether this is a list.</summary>
    [MemberNotNullWhen(true, nameof(_items))]
    public bool IsList => _items is not null;

    /// <summary>The byte string; empty for a list.</summary>
    public ReadOnlyMemory<byte> Bytes => _bytes;

    /// <summary>The elements of a list; empty for a byte string.</summary>
    public IReadOnlyList<RlpItem> Items => _items ?? [];

    /// <summary>Makes a byte string; copies the bytes.</summary>
    public static RlpItem FromBytes(ReadOnlySpan<byte> bytes)
    {
        return new RlpItem(bytes.ToArray(), null);
    }

    /// <summary>Makes a list.</summary>
    public static RlpItem FromItems(params ReadOnlySpan<RlpItem> items)
    {
        return new RlpItem([], items.ToArray());
    }

    /// <summary>Decodes data that is exactly one item.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> data, [NotNullWhen(true)] out RlpItem? item)
    {
        var reader = new RlpReader(data);
        if (TryRead(ref reader, MaxDepth, out item) && reader.IsEmpty)
        {
            return true;
        }

        item = null;
        return false;
    }

    /// <summary>The canonical encoding of the tree.</summary>
    public byte[] Encode()
    {
        var writer = new RlpWriter();
        WriteTo(writer);
        return writer.ToArray();
    }

    /// <summary>Writes the canonical encoding of the tree.</summary>
    public void WriteTo(RlpWriter writer)
    {
        if (!IsList)
        {
            writer.WriteBytes(_bytes);
            return;
        }

        writer.BeginList();
        foreach (RlpItem item in _items)
        {
            item.WriteTo(writer);
        }

        writer.EndList();
    }

    private static bool TryRead(ref RlpReader reader, int depth, [NotNullWhen(true)] out RlpItem? item)
    {
        item = null;
        if (!reader.TryReadItem(out ReadOnlySpan<byte> payload, out bool isList))
        {
            return false;
        }

        if (!isList)
        {
            item = FromBytes(payload);
            return true;
        }

        if (depth == 0)
        {
            return false;
        }

        var items = new List<RlpItem>();
        var inner = new RlpReader(payload);
        while (!inner.IsEmpty)
        {
            if (!TryRead(ref inner, depth - 1, out RlpItem? element))
            {
                return false;
            }

            items.Add(element);
        }

        item = new RlpItem([], [.. items]);
        return true;
    }
}
