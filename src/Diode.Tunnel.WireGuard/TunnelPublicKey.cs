using System.Runtime.InteropServices;

namespace Diode.Tunnel.WireGuard;

/// <summary>A peer's X25519 public key, 32 bytes by value. Any 32 bytes are a key; low-order points fail at the handshake.</summary>
public readonly struct TunnelPublicKey : IEquatable<TunnelPublicKey>
{
    /// <summary>Bytes of a key.</summary>
    public const int Length = 32;

    private readonly ulong _a;
    private readonly ulong _b;
    private readonly ulong _c;
    private readonly ulong _d;

    /// <summary>Copies 32 bytes; any other length is an <see cref="ArgumentOutOfRangeException"/>.</summary>
    public TunnelPublicKey(ReadOnlySpan<byte> bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(bytes.Length, Length);
        ReadOnlySpan<ulong> words = MemoryMarshal.Cast<byte, ulong>(bytes);
        _a = words[0];
        _b = words[1];
        _c = words[2];
        _d = words[3];
    }

    /// <summary>True for the 32 zero bytes of <c>default</c>.</summary>
    public bool IsZero => (_a | _b | _c | _d) == 0;

    /// <summary>Reads the base64 form that wg(8) uses.</summary>
    public static bool TryParse(ReadOnlySpan<char> base64, out TunnelPublicKey key)
    {
        Span<byte> bytes = stackalloc byte[Length];
        bool ok = Convert.TryFromBase64Chars(base64, bytes, out int written) && written == Length;
        key = ok ? new TunnelPublicKey(bytes) : default;
        return ok;
    }

    /// <summary>Writes the 32 bytes.</summary>
    public void CopyTo(Span<byte> destination)
    {
        ReadOnlySpan<ulong> words = [_a, _b, _c, _d];
        MemoryMarshal.AsBytes(words).CopyTo(destination);
    }

    /// <summary>A new array of the 32 bytes.</summary>
    public byte[] ToArray()
    {
        byte[] bytes = new byte[Length];
        CopyTo(bytes);
        return bytes;
    }

    /// <inheritdoc/>
    public bool Equals(TunnelPublicKey other)
    {
        return _a == other._a && _b == other._b && _c == other._c && _d == other._d;
    }

    /// <inheritdoc/>
    public override bool Equals(object? obj)
    {
        return obj is TunnelPublicKey other && Equals(other);
    }

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        return HashCode.Combine(_a, _b, _c, _d);
    }

    /// <summary>Base64, as wg(8) prints it.</summary>
    public override string ToString()
    {
        return Convert.ToBase64String(ToArray());
    }

    /// <summary>Equality by value.</summary>
    public static bool operator ==(TunnelPublicKey left, TunnelPublicKey right)
    {
        return left.Equals(right);
    }

    /// <summary>Inequality by value.</summary>
    public static bool operator !=(TunnelPublicKey left, TunnelPublicKey right)
    {
        return !left.Equals(right);
    }
}
