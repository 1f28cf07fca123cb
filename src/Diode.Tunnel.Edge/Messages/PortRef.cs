using System.Buffers.Binary;
using System.Globalization;

namespace Diode.Tunnel.Edge.Messages;

/// <summary>
/// The name a relay gave to an open port: up to 8 opaque bytes, held by value. Leading zero bytes count. Unique within
/// one session only.
/// </summary>
public readonly struct PortRef : IEquatable<PortRef>
{
    private readonly ulong _value;
    private readonly byte _length;

    private PortRef(ulong value, byte length)
    {
        _value = value;
        _length = length;
    }

    /// <summary>Number of bytes on the wire; 0 for <c>default</c>, which names no port.</summary>
    public int Length => _length;

    /// <summary>Equality of length and bytes.</summary>
    public static bool operator ==(PortRef left, PortRef right) => left.Equals(right);

    /// <summary>Inequality of length or bytes.</summary>
    public static bool operator !=(PortRef left, PortRef right) => !left.Equals(right);

    /// <summary>Makes the 4-byte reference that relays of ours hand out.</summary>
    public static PortRef FromUInt32(uint value)
    {
        return new PortRef(value, sizeof(uint));
    }

    /// <summary>Reads 1 to 8 bytes.</summary>
    public static bool TryRead(ReadOnlySpan<byte> bytes, out PortRef port)
    {
        if (bytes.Length is 0 or > EdgeLimits.MaxPortRef)
        {
            port = default;
            return false;
        }

        ulong value = 0;
        foreach (byte next in bytes)
        {
            value = (value << 8) | next;
        }

        port = new PortRef(value, (byte)bytes.Length);
        return true;
    }

    /// <summary>Writes <see cref="Length"/> bytes.</summary>
    public void CopyTo(Span<byte> destination)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, _value);
        bytes[(sizeof(ulong) - _length)..].CopyTo(destination);
    }

    /// <inheritdoc/>
    public bool Equals(PortRef other)
    {
        return _value == other._value && _length == other._length;
    }

    /// <inheritdoc/>
    public override bool Equals(object? obj)
    {
        return obj is PortRef other && Equals(other);
    }

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        return _value.GetHashCode() ^ _length;
    }

    /// <summary>The bytes in hexadecimal.</summary>
    public override string ToString()
    {
        return _value.ToString(string.Create(CultureInfo.InvariantCulture, $"x{2 * _length}"), CultureInfo.InvariantCulture);
    }
}
