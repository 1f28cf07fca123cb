using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Diode.Tunnel.Ethereum.Sapphire;

/// <summary>
/// Reads canonical CBOR (RFC 8949 §4.2) from an endpoint: numbers and lengths in shortest form, no lengths left open. Every length is
/// checked against the data, depth is bounded, nothing throws. After a failed read the position is undefined.
/// </summary>
public ref struct CborReader
{
    /// <summary>Value of the low five bits from which the number itself follows.</summary>
    internal const byte OneByteFollows = 24;

    private const int MaxDepth = 16;
    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);
    private readonly ReadOnlySpan<byte> _data;
    private int _position;

    /// <summary>Reads <paramref name="data"/> from its start.</summary>
    public CborReader(ReadOnlySpan<byte> data)
    {
        _data = data;
    }

    /// <summary>Whether everything was read.</summary>
    public readonly bool IsAtEnd => _position == _data.Length;

    /// <summary>Whether a map comes next.</summary>
    public readonly bool IsMap => _position < _data.Length && _data[_position] >> 5 == (int)CborKind.Map;

    /// <summary>A number.</summary>
    public bool TryReadUInt(out ulong value) => TryReadHead(out CborKind kind, out value) && kind == CborKind.UInt;

    /// <summary>Bytes: a slice of the data.</summary>
    public bool TryReadBytes(out ReadOnlySpan<byte> bytes) => TryReadString(CborKind.Bytes, out bytes);

    /// <summary>A text.</summary>
    public bool TryReadText([NotNullWhen(true)] out string? text)
    {
        text = null;
        if (!TryReadString(CborKind.Text, out ReadOnlySpan<byte> bytes))
        {
            return false;
        }

        try
        {
            text = StrictUtf8.GetString(bytes);
            return true;
        }
        catch (DecoderFallbackException)
        {
            return false;
        }
    }

    /// <summary>Begins a map; so many pairs of key and value follow.</summary>
    public bool TryReadMap(out int members)
    {
        members = 0;
        if (!TryReadHead(out CborKind kind, out ulong count) || kind != CborKind.Map || count > (ulong)(_data.Length - _position) / 2)
        {
            return false;
        }

        members = (int)count;
        return true;
    }

    /// <summary>Passes over one value of any kind.</summary>
    public bool TrySkip() => TrySkip(0);

    private bool TrySkip(int depth)
    {
        if (depth > MaxDepth || !TryReadHead(out CborKind kind, out ulong value))
        {
            return false;
        }

        ulong left = (ulong)(_data.Length - _position);
        ulong inside = kind switch
        {
            CborKind.List => value,
            CborKind.Map => value <= left ? 2 * value : ulong.MaxValue,
            CborKind.Tag => 1,
            _ => 0,
        };
        if (kind is CborKind.Bytes or CborKind.Text)
        {
            _position += value <= left ? (int)value : 0;
            return value <= left;
        }

        if (inside > left)
        {
            return false;
        }

        for (ulong i = 0; i < inside; i++)
        {
            if (!TrySkip(depth + 1))
            {
                return false;
            }
        }

        return true;
    }

    private bool TryReadString(CborKind wanted, out ReadOnlySpan<byte> bytes)
    {
        bytes = default;
        if (!TryReadHead(out CborKind kind, out ulong length) || kind != wanted || length > (ulong)(_data.Length - _position))
        {
            return false;
        }

        bytes = _data.Slice(_position, (int)length);
        _position += (int)length;
        return true;
    }

    private bool TryReadHead(out CborKind kind, out ulong value)
    {
        (kind, value) = (default, 0);
        if (_position >= _data.Length)
        {
            return false;
        }

        byte first = _data[_position++];
        kind = (CborKind)(first >> 5);
        int information = first & 0x1f;
        if (information < OneByteFollows)
        {
            value = (ulong)information;
            return true;
        }

        if (information > OneByteFollows + 3)
        {
            return false;
        }

        int size = 1 << (information - OneByteFollows);
        if (_data.Length - _position < size)
        {
            return false;
        }

        ReadOnlySpan<byte> number = _data.Slice(_position, size);
        _position += size;
        value = size switch
        {
            1 => number[0],
            2 => BinaryPrimitives.ReadUInt16BigEndian(number),
            4 => BinaryPrimitives.ReadUInt32BigEndian(number),
            _ => BinaryPrimitives.ReadUInt64BigEndian(number),
        };

        // Numbers with a point have a length of their own; everything else has to be as short as it can be.
        return kind == CborKind.Simple || value >= (size == 1 ? OneByteFollows : 1UL << (4 * size));
    }
}
