using System.Diagnostics.CodeAnalysis;
using Org.BouncyCastle.Math;
using Org.BouncyCastle.Math.EC;

namespace Diode.Tunnel.Ethereum.Crypto;

/// <summary>
/// A recoverable secp256k1 signature as it stands on the Diode wire (SIG65):
/// <code>recovery id (1, 0..3) | r (32, big-endian) | s (32, big-endian, low)</code>
/// The recovery id comes first and is not offset by 27. Every value made by <see cref="TryFromBytes"/> has r and s in
/// range and a low s. <c>default</c> is no valid signature and recovers nothing.
/// </summary>
public readonly struct Signature65 : IEquatable<Signature65>
{
    /// <summary>Length in bytes.</summary>
    public const int Length = 65;

    private readonly Hash256 _r;
    private readonly Hash256 _s;

    internal Signature65(byte recoveryId, in Hash256 r, in Hash256 s)
    {
        RecoveryId = recoveryId;
        _r = r;
        _s = s;
    }

    /// <summary>0..3: bit 0 the parity of y, bit 1 whether x was above the group order.</summary>
    public byte RecoveryId { get; }

    /// <summary>The first number of the ECDSA signature, big-endian.</summary>
    public Hash256 R => _r;

    /// <summary>The second number of the ECDSA signature, big-endian, at most half the group order.</summary>
    public Hash256 S => _s;

    /// <summary>Equality of all bytes.</summary>
    public static bool operator ==(Signature65 left, Signature65 right) => left.Equals(right);

    /// <summary>Inequality of any byte.</summary>
    public static bool operator !=(Signature65 left, Signature65 right) => !left.Equals(right);

    /// <summary>
    /// Reads 65 bytes; false when the length is wrong, the recovery id is above 3, r or s is outside 1..n-1, or s is
    /// high.
    /// </summary>
    public static bool TryFromBytes(ReadOnlySpan<byte> bytes, out Signature65 signature)
    {
        signature = default;
        if (bytes.Length != Length || bytes[0] > 3)
        {
            return false;
        }

        var r = new Hash256(bytes[1..33]);
        var s = new Hash256(bytes[33..]);
        if (r.IsZero || s.IsZero || r >= SignatureLimits.Order || s > SignatureLimits.HalfOrder)
        {
            return false;
        }

        signature = new Signature65(bytes[0], r, s);
        return true;
    }

    /// <summary>Recovers the key that signed <paramref name="digest"/>; false when there is none.</summary>
    public bool TryRecover(in Hash256 digest, [NotNullWhen(true)] out PublicKey? key)
    {
        key = null;
        if (_r.IsZero || _s.IsZero)
        {
            return false;
        }

        if (Secp256k1Provider.Current is ISecp256k1 provider)
        {
            Span<byte> signature = stackalloc byte[Length];
            Span<byte> message = stackalloc byte[Hash256.Length];
            Span<byte> encoded = stackalloc byte[PublicKey.UncompressedLength];
            CopyTo(signature);
            digest.CopyTo(message);
            key = provider.TryRecover(message, signature, encoded) ? new PublicKey(encoded) : null;
            return key is not null;
        }

        Span<byte> bytes = stackalloc byte[Hash256.Length];
        _r.CopyTo(bytes);
        BigInteger r = Secp256k1.ToInteger(bytes);
        _s.CopyTo(bytes);
        BigInteger s = Secp256k1.ToInteger(bytes);
        digest.CopyTo(bytes);
        BigInteger z = Secp256k1.ToInteger(bytes);

        BigInteger x = (RecoveryId & 2) == 0 ? r : r.Add(Secp256k1.Order);
        if (!Secp256k1.TryDecompress(x, (RecoveryId & 1) != 0, out ECPoint? nonce))
        {
            return false;
        }

        // Q = r^-1 (s R - z G); SEC 1 §4.1.6. The cofactor is 1, so R needs no order check.
        BigInteger inverse = r.ModInverse(Secp256k1.Order);
        BigInteger fromGenerator = z.Negate().Multiply(inverse).Mod(Secp256k1.Order);
        BigInteger fromNonce = s.Multiply(inverse).Mod(Secp256k1.Order);
        ECPoint point = ECAlgorithms.SumOfTwoMultiplies(Secp256k1.Generator, fromGenerator, nonce!, fromNonce);
        if (point.IsInfinity)
        {
            return false;
        }

        key = new PublicKey(point);
        return true;
    }

    /// <summary>Recovers the address that signed <paramref name="digest"/>; false when there is none.</summary>
    public bool TryRecoverAddress(in Hash256 digest, out Address address)
    {
        bool recovered = TryRecover(digest, out PublicKey? key);
        address = recovered ? key!.Address : default;
        return recovered;
    }

    /// <summary>Writes the 65 bytes to the start of <paramref name="destination"/>.</summary>
    public void CopyTo(Span<byte> destination)
    {
        destination[0] = RecoveryId;
        _r.CopyTo(destination[1..]);
        _s.CopyTo(destination[33..]);
    }

    /// <summary>A new array of the 65 bytes.</summary>
    public byte[] ToArray()
    {
        byte[] bytes = new byte[Length];
        CopyTo(bytes);
        return bytes;
    }

    /// <inheritdoc/>
    public bool Equals(Signature65 other)
    {
        return RecoveryId == other.RecoveryId && _r.Equals(other._r) && _s.Equals(other._s);
    }

    /// <inheritdoc/>
    public override bool Equals(object? obj)
    {
        return obj is Signature65 other && Equals(other);
    }

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        return HashCode.Combine(RecoveryId, _r, _s);
    }
}
