using System.Runtime.CompilerServices;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Edge.Sessions;

/// <summary>
/// The id of a request, by value, as it is echoed in the reply: a big-endian number without leading zeros
/// (diode-protocol §2.3). Real clients use at most 8 bytes; up to 32 are echoed.
/// </summary>
public readonly struct RequestId : IEquatable<RequestId>
{
    /// <summary>The longest id accepted.</summary>
    public const int MaxLength = 32;

    private readonly Digits _digits;
    private readonly byte _length;

    private RequestId(ReadOnlySpan<byte> digits)
    {
        digits.CopyTo(_digits);
        _length = (byte)digits.Length;
    }

    /// <summary>Number of bytes, 0 for the id zero.</summary>
    public int Length => _length;

    /// <summary>Equality.</summary>
    public static bool operator ==(in RequestId left, in RequestId right) => left.Equals(right);

    /// <summary>Inequality.</summary>
    public static bool operator !=(in RequestId left, in RequestId right) => !left.Equals(right);

    /// <summary>Reads the bytes of an id; leading zeros vanish. False when it is too long.</summary>
    public static bool TryRead(ReadOnlySpan<byte> bytes, out RequestId id)
    {
        bytes = bytes.TrimStart((byte)0);
        bool fits = bytes.Length <= MaxLength;
        id = fits ? new RequestId(bytes) : default;
        return fits;
    }

    /// <summary>Length of the id as an RLP string.</summary>
    public int EncodedLength => _length == 1 && _digits[0] < 0x80 ? 1 : 1 + _length;

    /// <summary>Writes the id as an RLP string; returns its length.</summary>
    public int Encode(Span<byte> destination)
    {
        ReadOnlySpan<byte> digits = _digits;
        return RlpEncoding.WriteBytes(destination, digits[.._length]);
    }

    /// <summary>Writes the id into a list under construction.</summary>
    public void WriteTo(RlpWriter writer)
    {
        ReadOnlySpan<byte> digits = _digits;
        writer.WriteBytes(digits[.._length]);
    }

    /// <inheritdoc/>
    public bool Equals(RequestId other)
    {
        ReadOnlySpan<byte> own = _digits;
        ReadOnlySpan<byte> others = other._digits;
        return own[.._length].SequenceEqual(others[..other._length]);
    }

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is RequestId other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = new HashCode();
        ReadOnlySpan<byte> digits = _digits;
        hash.AddBytes(digits[.._length]);
        return hash.ToHashCode();
    }

    [InlineArray(MaxLength)]
    private struct Digits
    {
        private byte _first;
    }
}
