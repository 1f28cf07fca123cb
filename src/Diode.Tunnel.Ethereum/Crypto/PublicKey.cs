using System.Diagnostics.CodeAnalysis;
using Org.BouncyCastle.Math.EC;

namespace Diode.Tunnel.Ethereum.Crypto;

/// <summary>A valid secp256k1 public key. Immutable, safe to share between threads.</summary>
public sealed class PublicKey : IEquatable<PublicKey>
{
    /// <summary>Length of the compressed form: 02 or 03, then x.</summary>
    public const int CompressedLength = 33;

    /// <summary>Length of the uncompressed form: 04, then x and y.</summary>
    public const int UncompressedLength = 65;

    private readonly byte[] _uncompressed;

    internal PublicKey(ECPoint point)
    {
        ECPoint normalized = point.Normalize();
        _uncompressed = new byte[UncompressedLength];
        _uncompressed[0] = 0x04;
        Secp256k1.WriteInteger(normalized.AffineXCoord.ToBigInteger(), _uncompressed.AsSpan(1));
        Secp256k1.WriteInteger(normalized.AffineYCoord.ToBigInteger(), _uncompressed.AsSpan(33));
        Address = ToAddress(_uncompressed);
    }

    /// <summary>Takes 04, x, y of a point that is known to be on the curve.</summary>
    internal PublicKey(ReadOnlySpan<byte> uncompressed)
    {
        _uncompressed = uncompressed.ToArray();
        Address = ToAddress(_uncompressed);
    }

    /// <summary>The address of the account this key controls.</summary>
    public Address Address { get; }

    /// <summary>Reads a compressed (33 bytes) or uncompressed (65 bytes) point that is on the curve.</summary>
    public static bool TryFromBytes(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out PublicKey? key)
    {
        if (Secp256k1Provider.Current is ISecp256k1 provider)
        {
            Span<byte> encoded = stackalloc byte[UncompressedLength];
            key = provider.TryReadPublicKey(bytes, encoded) ? new PublicKey(encoded) : null;
            return key is not null;
        }

        ECPoint? point = null;
        bool valid = bytes.Length switch
        {
            CompressedLength => bytes[0] is 0x02 or 0x03
                && Secp256k1.TryDecompress(Secp256k1.ToInteger(bytes[1..]), bytes[0] == 0x03, out point),
            UncompressedLength => bytes[0] == 0x04
                && Secp256k1.TryReadPoint(
                    Secp256k1.ToInteger(bytes[1..33]), Secp256k1.ToInteger(bytes[33..]), out point),
            _ => false,
        };
        key = valid ? new PublicKey(point!) : null;
        return valid;
    }

    /// <summary>
    /// Whether <paramref name="signature"/> recovers to this key. Stricter than plain ECDSA: a flipped recovery id
    /// or a high s is refused, although diode_node lets both pass.
    /// </summary>
    public bool Verify(in Hash256 digest, in Signature65 signature)
    {
        return signature.TryRecover(digest, out PublicKey? signer) && Equals(signer);
    }

    /// <summary>Writes 65 bytes: 04, x, y.</summary>
    public void CopyUncompressedTo(Span<byte> destination)
    {
        _uncompressed.CopyTo(destination);
    }

    /// <summary>Writes 33 bytes: 02 or 03 by the parity of y, then x.</summary>
    public void CopyCompressedTo(Span<byte> destination)
    {
        _uncompressed.AsSpan(0, CompressedLength).CopyTo(destination);
        destination[0] = (byte)(0x02 | (_uncompressed[UncompressedLength - 1] & 1));
    }

    /// <summary>A new array of the 65 bytes of the uncompressed form.</summary>
    public byte[] ToUncompressedArray()
    {
        return (byte[])_uncompressed.Clone();
    }

    /// <inheritdoc/>
    public bool Equals(PublicKey? other)
    {
        return other is not null && _uncompressed.AsSpan().SequenceEqual(other._uncompressed);
    }

    /// <inheritdoc/>
    public override bool Equals(object? obj)
    {
        return Equals(obj as PublicKey);
    }

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        return Address.GetHashCode();
    }

    /// <summary>The address of the key.</summary>
    public override string ToString()
    {
        return Address.ToString();
    }

    // Last 20 bytes of KECCAK(x, y), as Ethereum.
    private static Address ToAddress(ReadOnlySpan<byte> uncompressed)
    {
        Span<byte> hash = stackalloc byte[Hash256.Length];
        Keccak256.Hash(uncompressed[1..], hash);
        return new Address(hash[(Hash256.Length - Address.Length)..]);
    }
}
