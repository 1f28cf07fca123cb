using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Diode.Tunnel.Ethereum;

/// <summary>
/// A 20-byte account address, held by value: the identity of every device, relay, fleet and contract.
/// Orders like its bytes.
/// </summary>
public readonly struct Address : IEquatable<Address>, IComparable<Address>
{
    /// <summary>Length in bytes.</summary>
    public const int Length = 20;

    /// <summary>Length of the text form in characters: <c>0x</c> and 40 hexadecimal digits.</summary>
    public const int TextLength = 2 + (2 * Length);

    private readonly ulong _high;
    private readonly ulong _middle;
    private readonly uint _low;

    /// <summary>Reads an address from exactly 20 bytes.</summary>
    /// <exception cref="ArgumentException"><paramref name="bytes"/> is not 20 bytes long.</exception>
    public Address(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length != Length)
        {
            throw new ArgumentException("an address is 20 bytes long", nameof(bytes));
        }

        _high = BinaryPrimitives.ReadUInt64BigEndian(bytes);
        _middle = BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]);
        _low = BinaryPrimitives.ReadUInt32BigEndian(bytes[16..]);
    }

    /// <summary>The address of twenty zero bytes; also <c>default</c>.</summary>
    public static Address Zero => default;

    /// <summary>Whether all bytes are zero.</summary>
    public bool IsZero => (_high | _middle | _low) == 0;

    /// <summary>Equality of all 20 bytes.</summary>
    public static bool operator ==(Address left, Address right) => left.Equals(right);

    /// <summary>Inequality of any byte.</summary>
    public static bool operator !=(Address left, Address right) => !left.Equals(right);

    /// <summary>Byte order.</summary>
    public static bool operator <(Address left, Address right) => left.CompareTo(right) < 0;

    /// <summary>Byte order.</summary>
    public static bool operator >(Address left, Address right) => left.CompareTo(right) > 0;

    /// <summary>Byte order.</summary>
    public static bool operator <=(Address left, Address right) => left.CompareTo(right) <= 0;

    /// <summary>Byte order.</summary>
    public static bool operator >=(Address left, Address right) => left.CompareTo(right) >= 0;

    /// <summary>Reads an address from network input; false unless there are exactly 20 bytes.</summary>
    public static bool TryRead(ReadOnlySpan<byte> bytes, out Address address)
    {
        if (bytes.Length != Length)
        {
            address = default;
            return false;
        }

        address = new Address(bytes);
        return true;
    }

    /// <summary>Parses <c>0x</c> and 40 hexadecimal digits in any case (checksums are not looked at).</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out Address address)
    {
        return TryParse(text.AsSpan(), out address);
    }

    /// <inheritdoc cref="TryParse(string?, out Address)"/>
    public static bool TryParse(ReadOnlySpan<char> text, out Address address)
    {
        Span<byte> bytes = stackalloc byte[Length];
        if (!Hex.TryParsePrefixed(text, bytes))
        {
            address = default;
            return false;
        }

        address = new Address(bytes);
        return true;
    }

    /// <summary>Parses the text form.</summary>
    /// <exception cref="FormatException">The text is not <c>0x</c> and 40 hexadecimal digits.</exception>
    public static Address Parse(string text)
    {
        return TryParse(text, out Address address)
            ? address
            : throw new FormatException("an address is 0x and 40 hexadecimal digits");
    }

    /// <summary>Writes the 20 bytes to the start of <paramref name="destination"/>.</summary>
    public void CopyTo(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt64BigEndian(destination, _high);
        BinaryPrimitives.WriteUInt64BigEndian(destination[8..], _middle);
        BinaryPrimitives.WriteUInt32BigEndian(destination[16..], _low);
    }

    /// <summary>A new array of the 20 bytes.</summary>
    public byte[] ToArray()
    {
        byte[] bytes = new byte[Length];
        CopyTo(bytes);
        return bytes;
    }

    /// <inheritdoc/>
    public bool Equals(Address other)
    {
        return _high == other._high && _middle == other._middle && _low == other._low;
    }

    /// <inheritdoc/>
    public override bool Equals(object? obj)
    {
        return obj is Address other && Equals(other);
    }

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        return HashCode.Combine(_high, _middle, _low);
    }

    /// <inheritdoc/>
    public int CompareTo(Address other)
    {
        int order = _high.CompareTo(other._high);
        if (order == 0)
        {
            order = _middle.CompareTo(other._middle);
        }

        return order == 0 ? _low.CompareTo(other._low) : order;
    }

    /// <summary><c>0x</c> and 40 lower-case hexadecimal digits.</summary>
    public override string ToString()
    {
        return string.Create(CultureInfo.InvariantCulture, $"0x{_high:x16}{_middle:x16}{_low:x8}");
    }
}
