namespace Diode.Tunnel.Ethereum.Rlp;

/// <summary>
/// Reads a sequence of RLP items from front to back without allocating; results are slices of the input.
/// A length beyond the enclosing data is refused, non-canonical forms (long form of a short length, one low byte
/// with a header, leading zeros of lengths and integers) are read as diode_node reads them.
/// Nested lists are checked when they are read. After a false return the position is unchanged.
/// </summary>
public ref struct RlpReader
{
    private ReadOnlySpan<byte> _rest;

    /// <summary>Reads the items in <paramref name="data"/>, e.g. the payload of a list.</summary>
    public RlpReader(ReadOnlySpan<byte> data)
    {
        _rest = data;
    }

    /// <summary>Whether all items were read.</summary>
    public readonly bool IsEmpty => _rest.IsEmpty;

    /// <summary>Whether the next item is a list.</summary>
    public readonly bool NextIsList => !_rest.IsEmpty && _rest[0] >= RlpEncoding.ListOffset;

    /// <summary>What was not read yet.</summary>
    public readonly ReadOnlySpan<byte> Remaining => _rest;

    /// <summary>Opens data that is exactly one list; false when it is not, or bytes follow it.</summary>
    public static bool TryReadSingleList(ReadOnlySpan<byte> data, out RlpReader items)
    {
        var reader = new RlpReader(data);
        return reader.TryReadList(out items) && reader.IsEmpty;
    }

    /// <summary>
    /// Whether <paramref name="data"/> is exactly one item that is well-formed at every depth up to
    /// <paramref name="maxDepth"/> lists.
    /// </summary>
    public static bool IsWellFormed(ReadOnlySpan<byte> data, int maxDepth = RlpItem.MaxDepth)
    {
        var reader = new RlpReader(data);
        return reader.TrySkip(maxDepth) && reader.IsEmpty;
    }

    /// <summary>Counts the items left without reading them; false when one of them is damaged.</summary>
    public readonly bool TryCount(out int count)
    {
        RlpReader copy = this;
        count = 0;
        while (!copy.IsEmpty)
        {
            if (!copy.TryReadItem(out _, out _))
            {
                return false;
            }

            count++;
        }

        return true;
    }

    /// <summary>Reads a byte string.</summary>
    public bool TryReadBytes(out ReadOnlySpan<byte> value)
    {
        RlpReader before = this;
        if (TryReadItem(out value, out bool isList) && !isList)
        {
            return true;
        }

        this = before;
        value = default;
        return false;
    }

    /// <summary>Reads a byte string of exactly <paramref name="length"/> bytes.</summary>
    public bool TryReadBytes(int length, out ReadOnlySpan<byte> value)
    {
        RlpReader before = this;
        if (TryReadBytes(out value) && value.Length == length)
        {
            return true;
        }

        this = before;
        value = default;
        return false;
    }

    /// <summary>Reads a list; <paramref name="items"/> reads its elements.</summary>
    public bool TryReadList(out RlpReader items)
    {
        RlpReader before = this;
        if (TryReadItem(out ReadOnlySpan<byte> payload, out bool isList) && isList)
        {
            items = new RlpReader(payload);
            return true;
        }

        this = before;
        items = default;
        return false;
    }

    /// <summary>Reads a non-negative integer of at most 64 bits.</summary>
    public bool TryReadUInt64(out ulong value)
    {
        RlpReader before = this;
        if (TryReadBytes(out ReadOnlySpan<byte> bytes) && RlpEncoding.TryReadInteger(bytes, out value))
        {
            return true;
        }

        this = before;
        value = 0;
        return false;
    }

    /// <summary>Reads a non-negative integer of at most 31 bits.</summary>
    public bool TryReadInt32(out int value)
    {
        RlpReader before = this;
        if (TryReadUInt64(out ulong number) && number <= int.MaxValue)
        {
            value = (int)number;
            return true;
        }

        this = before;
        value = 0;
        return false;
    }

    /// <summary>Reads a 20-byte address.</summary>
    public bool TryReadAddress(out Address address)
    {
        if (TryReadBytes(Address.Length, out ReadOnlySpan<byte> bytes))
        {
            address = new Address(bytes);
            return true;
        }

        address = default;
        return false;
    }

    /// <summary>Reads a 32-byte hash.</summary>
    public bool TryReadHash(out Hash256 hash)
    {
        if (TryReadBytes(Hash256.Length, out ReadOnlySpan<byte> bytes))
        {
            hash = new Hash256(bytes);
            return true;
        }

        hash = default;
        return false;
    }

    /// <summary>Reads any item with its header as it stands in the input.</summary>
    public bool TryReadRaw(out ReadOnlySpan<byte> encoded)
    {
        ReadOnlySpan<byte> before = _rest;
        if (!TryReadItem(out _, out _))
        {
            encoded = default;
            return false;
        }

        encoded = before[..(before.Length - _rest.Length)];
        return true;
    }

    /// <summary>Reads the payload of any item and says which kind it was.</summary>
    public bool TryReadItem(out ReadOnlySpan<byte> payload, out bool isList)
    {
        payload = default;
        isList = false;
        if (_rest.IsEmpty)
        {
            return false;
        }

        byte first = _rest[0];
        if (first < RlpEncoding.StringOffset)
        {
            payload = _rest[..1];
            _rest = _rest[1..];
            return true;
        }

        isList = first >= RlpEncoding.ListOffset;
        int length = first - (isList ? RlpEncoding.ListOffset : RlpEncoding.StringOffset);
        int header = 1;
        if (length > RlpEncoding.ShortLimit)
        {
            int lengthBytes = length - RlpEncoding.ShortLimit;
            header += lengthBytes;
            if (_rest.Length < header
                || !RlpEncoding.TryReadInteger(_rest[1..header], out ulong declared)
                || declared > (ulong)(_rest.Length - header))
            {
                return false;
            }

            length = (int)declared;
        }

        if (length > _rest.Length - header)
        {
            return false;
        }

        payload = _rest.Slice(header, length);
        _rest = _rest[(header + length)..];
        return true;
    }

    private bool TrySkip(int maxDepth)
    {
        if (!TryReadItem(out ReadOnlySpan<byte> payload, out bool isList))
        {
            return false;
        }

        if (!isList)
        {
            return true;
        }

        if (maxDepth == 0)
        {
            return false;
        }

        var items = new RlpReader(payload);
        while (!items.IsEmpty)
        {
            if (!items.TrySkip(maxDepth - 1))
            {
                return false;
            }
        }

        return true;
    }
}
