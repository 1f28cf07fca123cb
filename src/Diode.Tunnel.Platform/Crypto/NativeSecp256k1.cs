using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Diode.Tunnel.Platform.Interop.Linux;

namespace Diode.Tunnel.Platform.Crypto;

/// <summary>
/// secp256k1 by libsecp256k1 where it is installed: ten times as fast as the managed code and in constant time. Ask
/// <see cref="IsSupported"/> first. Thread-safe.
/// </summary>
public static unsafe class NativeSecp256k1
{
    /// <summary>Length of secrets, digests and shared secrets.</summary>
    public const int ScalarLength = 32;

    /// <summary>Length of a public key: 04, x, y.</summary>
    public const int PublicKeyLength = 65;

    /// <summary>Length of a signature: recovery id, r, s.</summary>
    public const int SignatureLength = 65;

    /// <summary>Longest signature in DER.</summary>
    internal const int MaxDerLength = 72;

    private static readonly nint Context = Libsecp256k1.Context;

    /// <summary>Whether the library is there, complete, and passed its test.</summary>
    public static bool IsSupported { get; } = Context != 0 && PassesTest();

    /// <summary>The public key of a secret; false when the secret is not in 1..n-1.</summary>
    public static bool TryCreatePublicKey(ReadOnlySpan<byte> secret32, Span<byte> publicKey65)
    {
        byte* key = stackalloc byte[Libsecp256k1.PublicKeySize];
        fixed (byte* secret = Exactly(secret32, ScalarLength))
        {
            return Libsecp256k1.secp256k1_ec_pubkey_create(Context, key, secret) == 1 && TryWrite(key, publicKey65);
        }
    }

    /// <summary>Reads a public key of 33 or 65 bytes; false when it is not on the curve.</summary>
    public static bool TryReadPublicKey(ReadOnlySpan<byte> encoded, Span<byte> publicKey65)
    {
        byte* key = stackalloc byte[Libsecp256k1.PublicKeySize];
        return TryParse(encoded, key) && TryWrite(key, publicKey65);
    }

    /// <summary>Signs a digest: RFC 6979 nonce, low s, recovery id first; false when the secret is out of range.</summary>
    public static bool TrySign(ReadOnlySpan<byte> digest32, ReadOnlySpan<byte> secret32, Span<byte> signature65)
    {
        byte* opaque = stackalloc byte[Libsecp256k1.RecoverableSignatureSize];
        int recoveryId;
        fixed (byte* digest = Exactly(digest32, ScalarLength), secret = Exactly(secret32, ScalarLength), output = Exactly(signature65, SignatureLength))
        {
            if (Libsecp256k1.secp256k1_ecdsa_sign_recoverable(Context, opaque, digest, secret, 0, 0) != 1
                || Libsecp256k1.secp256k1_ecdsa_recoverable_signature_serialize_compact(Context, output + 1, &recoveryId, opaque) != 1)
            {
                return false;
            }

            output[0] = (byte)recoveryId;
            return true;
        }
    }

    /// <summary>The key that signed a digest; false when there is none.</summary>
    public static bool TryRecover(ReadOnlySpan<byte> digest32, ReadOnlySpan<byte> signature65, Span<byte> publicKey65)
    {
        byte* opaque = stackalloc byte[Libsecp256k1.RecoverableSignatureSize];
        byte* key = stackalloc byte[Libsecp256k1.PublicKeySize];
        fixed (byte* digest = Exactly(digest32, ScalarLength), signature = Exactly(signature65, SignatureLength))
        {
            return signature[0] <= 3
                && Libsecp256k1.secp256k1_ecdsa_recoverable_signature_parse_compact(Context, opaque, signature + 1, signature[0]) == 1
                && Libsecp256k1.secp256k1_ecdsa_recover(Context, key, opaque, digest) == 1
                && TryWrite(key, publicKey65);
        }
    }

    /// <summary>ECDH as TLS uses it: the x coordinate of the product.</summary>
    internal static bool TryAgree(ReadOnlySpan<byte> secret32, ReadOnlySpan<byte> publicKey, Span<byte> shared32)
    {
        byte* key = stackalloc byte[Libsecp256k1.PublicKeySize];
        fixed (byte* secret = Exactly(secret32, ScalarLength), output = Exactly(shared32, ScalarLength))
        {
            return TryParse(publicKey, key) && Libsecp256k1.secp256k1_ecdh(Context, output, key, secret, &TakeX, 0) == 1;
        }
    }

    /// <summary>Signs a digest in DER; 0 when that fails, otherwise the length.</summary>
    internal static int SignDer(ReadOnlySpan<byte> digest32, ReadOnlySpan<byte> secret32, Span<byte> der)
    {
        byte* signature = stackalloc byte[Libsecp256k1.SignatureSize];
        nuint length = (nuint)der.Length;
        fixed (byte* digest = Exactly(digest32, ScalarLength), secret = Exactly(secret32, ScalarLength), output = der)
        {
            return Libsecp256k1.secp256k1_ecdsa_sign(Context, signature, digest, secret, 0, 0) == 1
                && Libsecp256k1.secp256k1_ecdsa_signature_serialize_der(Context, output, &length, signature) == 1 ? (int)length : 0;
        }
    }

    /// <summary>Whether a signature in strict DER is good; high s is as good as low s, as everywhere in TLS.</summary>
    internal static bool VerifyDer(ReadOnlySpan<byte> digest32, ReadOnlySpan<byte> der, ReadOnlySpan<byte> publicKey)
    {
        byte* signature = stackalloc byte[Libsecp256k1.SignatureSize];
        byte* key = stackalloc byte[Libsecp256k1.PublicKeySize];
        fixed (byte* digest = Exactly(digest32, ScalarLength), input = der)
        {
            if (!TryParse(publicKey, key)
                || Libsecp256k1.secp256k1_ecdsa_signature_parse_der(Context, signature, input, (nuint)der.Length) != 1)
            {
                return false;
            }

            _ = Libsecp256k1.secp256k1_ecdsa_signature_normalize(Context, signature, signature);
            return Libsecp256k1.secp256k1_ecdsa_verify(Context, signature, digest, key) == 1;
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int TakeX(byte* output, byte* x, byte* y, nint data)
    {
        new ReadOnlySpan<byte>(x, ScalarLength).CopyTo(new Span<byte>(output, ScalarLength));
        return 1;
    }

    // The library aborts the process on a null argument and reads what it is given: lengths are our business.
    private static ReadOnlySpan<byte> Exactly(ReadOnlySpan<byte> bytes, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(bytes.Length, length);
        return bytes;
    }

    private static Span<byte> Exactly(Span<byte> bytes, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(bytes.Length, length);
        return bytes;
    }

    // Its hybrid forms 06 and 07 are nobody's here.
    private static bool TryParse(ReadOnlySpan<byte> encoded, byte* key)
    {
        if (!(encoded.Length == PublicKeyLength && encoded[0] == 4) && !(encoded.Length == 33 && encoded[0] is 2 or 3))
        {
            return false;
        }

        fixed (byte* input = encoded)
        {
            return Libsecp256k1.secp256k1_ec_pubkey_parse(Context, key, input, (nuint)encoded.Length) == 1;
        }
    }

    private static bool TryWrite(byte* key, Span<byte> publicKey65)
    {
        nuint length = PublicKeyLength;
        fixed (byte* output = Exactly(publicKey65, PublicKeyLength))
        {
            return Libsecp256k1.secp256k1_ec_pubkey_serialize(Context, output, &length, key, Libsecp256k1.SECP256K1_EC_UNCOMPRESSED) == 1;
        }
    }

    // A library that fails here is not used: the key of secret 1 is the generator, signatures recover to their key and to no other,
    // both sides agree.
    private static bool PassesTest()
    {
        ReadOnlySpan<byte> generator =
        [
            0x04, 0x79, 0xbe, 0x66, 0x7e, 0xf9, 0xdc, 0xbb, 0xac, 0x55, 0xa0, 0x62, 0x95, 0xce, 0x87, 0x0b, 0x07,
            0x02, 0x9b, 0xfc, 0xdb, 0x2d, 0xce, 0x28, 0xd9, 0x59, 0xf2, 0x81, 0x5b, 0x16, 0xf8, 0x17, 0x98,
            0x48, 0x3a, 0xda, 0x77, 0x26, 0xa3, 0xc4, 0x65, 0x5d, 0xa4, 0xfb, 0xfc, 0x0e, 0x11, 0x08, 0xa8,
            0xfd, 0x17, 0xb4, 0x48, 0xa6, 0x85, 0x54, 0x19, 0x9c, 0x47, 0xd0, 0x8f, 0xfb, 0x10, 0xd4, 0xb8,
        ];
        Span<byte> one = stackalloc byte[ScalarLength];
        one[^1] = 1;
        Span<byte> secret = stackalloc byte[ScalarLength];
        RandomNumberGenerator.Fill(secret);
        secret[0] &= 0x7f;
        Span<byte> digest = stackalloc byte[ScalarLength];
        RandomNumberGenerator.Fill(digest);
        Span<byte> key = stackalloc byte[PublicKeyLength];
        Span<byte> other = stackalloc byte[PublicKeyLength];
        Span<byte> signature = stackalloc byte[SignatureLength];
        Span<byte> shared = stackalloc byte[ScalarLength];
        Span<byte> der = stackalloc byte[MaxDerLength];
        if (!TryCreatePublicKey(one, other) || !other.SequenceEqual(generator)
            || !TryCreatePublicKey(secret, key)
            || !TrySign(digest, secret, signature) || !TryRecover(digest, signature, other) || !other.SequenceEqual(key)
            || !TryAgree(one, key, shared) || !shared.SequenceEqual(key[1..33])
            || SignDer(digest, secret, der) is not (> 0 and int length) || !VerifyDer(digest, der[..length], key))
        {
            return false;
        }

        digest[7] ^= 1;
        bool refused = !VerifyDer(digest, der[..length], key) && (!TryRecover(digest, signature, other) || !other.SequenceEqual(key));
        CryptographicOperations.ZeroMemory(secret);
        return refused;
    }
}
