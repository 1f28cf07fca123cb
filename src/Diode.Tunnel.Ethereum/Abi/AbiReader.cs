using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Text;

namespace Diode.Tunnel.Ethereum.Abi;

/// <summary>
/// Reads what a contract function returned, word by word. The data come from an endpoint: every length is checked
/// against them, nothing throws.
/// </summary>
public ref struct AbiReader
{
    private const int WordLength = AbiWriter.WordLength;

    private readonly ReadOnlySpan<byte> _data;
    private int _position;

    /// <summary>Reads <paramref name="data"/> from its start.</summary>
    public AbiReader(ReadOnlySpan<byte> data)
    {
        _data = data;
    }

    /// <summary>Any word.</summary>
    public bool TryReadWord(out Hash256 word)
    {
        if (_data.Length - _position < WordLength)
        {
            word = default;
            return false;
        }

        word = new Hash256(_data.Slice(_position, WordLength));
        _position += WordLength;
        return true;
    }

    /// <summary>A number of at most 64 bits.</summary>
    public bool TryReadUInt64(out ulong value)
    {
        value = 0;
        return TryTakeNumber(_data, _position, out value) && Advance();
    }

    /// <summary>A boolean: 0 or 1.</summary>
    public bool TryReadBool(out bool value)
    {
        bool read = TryTakeNumber(_data, _position, out ulong number) && number <= 1 && Advance();
        value = read && number == 1;
        return read;
    }

    /// <summary>An address, its upper 12 bytes zero.</summary>
    public bool TryReadAddress(out Address address)
    {
        address = default;
        return TryTakeAddress(_data, _position, out address) && Advance();
    }

    /// <summary>A dynamic array of addresses of at most <paramref name="most"/> entries.</summary>
    public bool TryReadAddresses(int most, [NotNullWhen(true)] out Address[]? addresses)
    {
        addresses = null;
        if (!TryTakeNumber(_data, _position, out ulong offset)
            || offset > (ulong)_data.Length
            || !TryTakeNumber(_data, (int)offset, out ulong count)
            || count > (ulong)most
            || count * WordLength > (ulong)(_data.Length - (int)offset - WordLength))
        {
            return false;
        }

        var found = new Address[(int)count];
        for (int i = 0; i < found.Length; i++)
        {
            if (!TryTakeAddress(_data, (int)offset + (WordLength * (i + 1)), out found[i]))
            {
                return false;
            }
        }

        addresses = found;
        return Advance();
    }

    /// <summary>A dynamic <c>bytes</c> or <c>string</c>: a slice of the data.</summary>
    public bool TryReadBytes(out ReadOnlySpan<byte> value)
    {
        value = default;
        if (!TryTakeNumber(_data, _position, out ulong offset)
            || offset > (ulong)_data.Length
            || !TryTakeNumber(_data, (int)offset, out ulong length)
            || length > (ulong)(_data.Length - (int)offset - WordLength))
        {
            return false;
        }

        value = _data.Slice((int)offset + WordLength, (int)length);
        return Advance();
    }

    /// <summary>A number of any size.</summary>
    public bool TryReadUInt(out BigInteger value)
    {
        bool read = TryReadWord(out Hash256 word);
        value = new BigInteger(word.ToArray(), isUnsigned: true, isBigEndian: true);
        return read;
    }

    /// <summary>A <c>string</c> in UTF-8; bytes that are none become replacement characters.</summary>
    public bool TryReadString([NotNullWhen(true)] out string? value)
    {
        bool read = TryReadBytes(out ReadOnlySpan<byte> bytes);
        value = read ? Encoding.UTF8.GetString(bytes) : null;
        return read;
    }

    /// <summary>A dynamic array of words of at most <paramref name="most"/> entries.</summary>
    public bool TryReadWords(int most, [NotNullWhen(true)] out Hash256[]? words)
    {
        words = null;
        AbiReader before = this;
        if (!TryReadList(most, out int count, out AbiReader items) || items._data.Length < count * WordLength)
        {
            this = before;
            return false;
        }

        var found = new Hash256[count];
        for (int i = 0; i < count; i++)
        {
            _ = items.TryReadWord(out found[i]);
        }

        words = found;
        return true;
    }

    /// <summary>A dynamic array of strings of at most <paramref name="most"/> entries.</summary>
    public bool TryReadStrings(int most, [NotNullWhen(true)] out string[]? values)
    {
        values = null;
        AbiReader before = this;
        if (!TryReadList(most, out int count, out AbiReader items) || items._data.Length < count * WordLength)
        {
            this = before;
            return false;
        }

        var found = new string[count];
        for (int i = 0; i < count; i++)
        {
            if (!items.TryReadString(out found[i]!))
            {
                this = before;
                return false;
            }
        }

        values = found;
        return true;
    }

    /// <summary>A dynamic array: how many items, and a reader of them.</summary>
    public bool TryReadList(int most, out int count, out AbiReader items)
    {
        count = 0;
        items = default;
        if (!TryTakeNumber(_data, _position, out ulong offset)
            || offset > (ulong)_data.Length
            || !TryTakeNumber(_data, (int)offset, out ulong number)
            || number > (ulong)most)
        {
            return false;
        }

        count = (int)number;
        items = new AbiReader(_data[((int)offset + WordLength)..]);
        return Advance();
    }

    /// <summary>A tuple that contains something dynamic, as a reader of its members; others are read member by member.</summary>
    public bool TryReadTuple(out AbiReader members)
    {
        members = default;
        if (!TryTakeNumber(_data, _position, out ulong offset) || offset > (ulong)_data.Length)
        {
            return false;
        }

        members = new AbiReader(_data[(int)offset..]);
        return Advance();
    }

    private bool Advance()
    {
        _position += WordLength;
        return true;
    }

    private static bool TryTakeNumber(ReadOnlySpan<byte> data, int position, out ulong value)
    {
        const int high = WordLength - sizeof(ulong);
        value = 0;
        if (data.Length - position < WordLength || data.Slice(position, high).ContainsAnyExcept((byte)0))
        {
            return false;
        }

        value = System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(data[(position + high)..]);
        return true;
    }

    private static bool TryTakeAddress(ReadOnlySpan<byte> data, int position, out Address address)
    {
        const int high = WordLength - Address.Length;
        address = default;
        if (data.Length - position < WordLength || data.Slice(position, high).ContainsAnyExcept((byte)0))
        {
            return false;
        }

        address = new Address(data.Slice(position + high, Address.Length));
        return true;
    }
}
