using System.Diagnostics.CodeAnalysis;

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
