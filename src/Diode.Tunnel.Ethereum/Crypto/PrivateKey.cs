using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Org.BouncyCastle.Crypto.Digests;
using Org.BouncyCastle.Crypto.Signers;
using Org.BouncyCastle.Math;
using Org.BouncyCastle.Math.EC.Multiplier;
using ECPoint = Org.BouncyCastle.Math.EC.ECPoint;

namespace Diode.Tunnel.Ethereum.Crypto;

/// <summary>
/// A secp256k1 private key. The 32 bytes are owned by this object and zeroed on dispose; the big-number library
/// underneath keeps short-lived copies while it signs. Signing is thread-safe until disposal.
/// </summary>
public sealed class PrivateKey : IDisposable
{
    /// <summary>Length in bytes.</summary>
    public const int Length = Secp256k1.ScalarLength;

    private readonly byte[] _scalar;
    private bool _disposed;

    // n, big-endian (SEC 2 §2.4.1).
    private static ReadOnlySpan<byte> Order =>
    [
        0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE,
        0xBA, 0xAE, 0xDC, 0xE6, 0xAF, 0x48, 0xA0, 0x3B, 0xBF, 0xD2, 0x5E, 0x8C, 0xD0, 0x36, 0x41, 0x41,
    ];

    private PrivateKey(byte[] scalar, PublicKey publicKey)
    {
        _scalar = scalar;
        PublicKey = publicKey;
    }

    /// <summary>The public half; stays usable after disposal.</summary>
    public PublicKey PublicKey { get; }

    /// <summary>The address of <see cref="PublicKey"/>.</summary>
    public Address Address => PublicKey.Address;

    /// <summary>Makes a key from the system's random generator.</summary>
    public static PrivateKey Generate()
    {
        Span<byte> bytes = stackalloc byte[Length];
        PrivateKey? key;
        do
        {
            RandomNumberGenerator.Fill(bytes);
        }
        while (!TryFromBytes(bytes, out key));
        CryptographicOperations.ZeroMemory(bytes);
        return key;
    }

    /// <summary>Copies 32 bytes that stand for a number in 1..n-1.</summary>
    public static bool TryFromBytes(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out PrivateKey? key)
    {
        key = null;
        if (bytes.Length != Length || !IsInRange(bytes))
        {
            return false;
        }

        key = new PrivateKey(bytes.ToArray(), CreatePublicKey(bytes));
        return true;
    }

    /// <summary>Signs a digest: RFC 6979 nonce (SHA-256), low s, recovery id set.</summary>
    /// <exception cref="ObjectDisposedException">The key was disposed.</exception>
    public Signature65 SignHash(in Hash256 digest)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (Secp256k1Provider.Current is ISecp256k1 provider && TrySign(provider, digest, out Signature65 signature))
        {
            return signature;
        }

        byte[] message = digest.ToArray();
        var scalar = new BigInteger(1, _scalar);
        var z = new BigInteger(1, message);
        var nonces = new HMacDsaKCalculator(new Sha256Digest());
        nonces.Init(Secp256k1.Order, scalar, message);
        while (true)
        {
            BigInteger nonce = nonces.NextK();
            ECPoint point = new FixedPointCombMultiplier().Multiply(Secp256k1.Generator, nonce).Normalize();
            BigInteger x = point.AffineXCoord.ToBigInteger();
            BigInteger r = x.Mod(Secp256k1.Order);
            if (r.SignValue == 0)
            {
                continue;
            }

            BigInteger s = nonce.ModInverse(Secp256k1.Order)
                .Multiply(z.Add(scalar.Multiply(r)))
                .Mod(Secp256k1.Order);
            if (s.SignValue == 0)
            {
                continue;
            }

            int recoveryId = (point.AffineYCoord.TestBitZero() ? 1 : 0)
                | (x.CompareTo(Secp256k1.Order) >= 0 ? 2 : 0);
            if (s.CompareTo(Secp256k1.HalfOrder) > 0)
            {
                s = Secp256k1.Order.Subtract(s);
                recoveryId ^= 1;
            }

            return ToSignature((byte)recoveryId, r, s);
        }
    }

    /// <summary>Writes the 32 secret bytes; the caller zeroes them.</summary>
    /// <exception cref="ObjectDisposedException">The key was disposed.</exception>
    public void CopyTo(Span<byte> destination)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        _scalar.CopyTo(destination);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _disposed = true;
        CryptographicOperations.ZeroMemory(_scalar);
    }

    /// <summary>The address; never the secret.</summary>
    public override string ToString()
    {
        return $"private key of {Address}";
    }

    // Not by big numbers: a program that has a provider would load and start that library for a comparison, which takes milliseconds.
    private static bool IsInRange(ReadOnlySpan<byte> scalar)
    {
        return scalar.IndexOfAnyExcept((byte)0) >= 0 && scalar.SequenceCompareTo(Order) < 0;
    }

    private static PublicKey CreatePublicKey(ReadOnlySpan<byte> bytes)
    {
        Span<byte> encoded = stackalloc byte[PublicKey.UncompressedLength];
        return Secp256k1Provider.Current is ISecp256k1 provider && provider.TryCreatePublicKey(bytes, encoded)
            ? new PublicKey(encoded)
            : new PublicKey(new FixedPointCombMultiplier().Multiply(Secp256k1.Generator, Secp256k1.ToInteger(bytes)));
    }

    private bool TrySign(ISecp256k1 provider, in Hash256 digest, out Signature65 signature)
    {
        signature = default;
        Span<byte> message = stackalloc byte[Hash256.Length];
        Span<byte> bytes = stackalloc byte[Signature65.Length];
        digest.CopyTo(message);
        return provider.TrySign(message, _scalar, bytes) && Signature65.TryFromBytes(bytes, out signature);
    }

    private static Signature65 ToSignature(byte recoveryId, BigInteger r, BigInteger s)
    {
        Span<byte> bytes = stackalloc byte[2 * Secp256k1.ScalarLength];
        Secp256k1.WriteInteger(r, bytes);
        Secp256k1.WriteInteger(s, bytes[Secp256k1.ScalarLength..]);
        return new Signature65(recoveryId, new Hash256(bytes[..32]), new Hash256(bytes[32..]));
    }
}
