using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using System.Security.Cryptography;
using Diode.Tunnel.Platform.Crypto;
using Diode.Tunnel.Platform.Interop.Linux;

namespace Diode.Tunnel.Platform.Tls;

/// <summary>
/// OpenSSL 3 has no fast code for secp256k1: a quarter of a millisecond per multiplication, and a handshake takes five. This puts
/// libsecp256k1 behind four of them (key generation, agreement, signing, verifying) by OpenSSL's own table of functions for EC keys.
/// Keys of other curves go on to the functions that were there.
/// </summary>
public static unsafe class TlsAcceleration
{
    private const int Failed = 0;
    private const int MaxTries = 8;

    private static delegate* unmanaged[Cdecl]<nint, int> _keygen;
    private static delegate* unmanaged[Cdecl]<byte**, nuint*, nint, nint, int> _computeKey;
    private static delegate* unmanaged[Cdecl]<int, byte*, int, byte*, uint*, nint, nint, nint, int> _sign;
    private static delegate* unmanaged[Cdecl]<int, byte*, int, byte*, int, nint, int> _verify;

    /// <summary>
    /// Whether handshakes of this process are accelerated. Reading it for the first time makes it so, for all keys made from then on: read it
    /// before the first engine. False without OpenSSL 3 or libsecp256k1; everything works then, only slower.
    /// </summary>
    public static bool IsEnabled { get; } = OperatingSystem.IsLinux() && TryEnable();

    [SupportedOSPlatform("linux")]
    private static bool TryEnable()
    {
        if (!OpenSsl.HasLibssl || !NativeSecp256k1.IsSupported)
        {
            return false;
        }

        try
        {
            // Lives as long as the process.
            nint method = Libcrypto.EC_KEY_METHOD_new(Libcrypto.EC_KEY_OpenSSL());
            if (method == 0)
            {
                return false;
            }

            nint setup;
            nint signSig;
            nint verifySig;
            delegate* unmanaged[Cdecl]<nint, int> keygen;
            delegate* unmanaged[Cdecl]<byte**, nuint*, nint, nint, int> computeKey;
            delegate* unmanaged[Cdecl]<int, byte*, int, byte*, uint*, nint, nint, nint, int> sign;
            delegate* unmanaged[Cdecl]<int, byte*, int, byte*, int, nint, int> verify;
            Libcrypto.EC_KEY_METHOD_get_keygen(method, &keygen);
            Libcrypto.EC_KEY_METHOD_get_compute_key(method, &computeKey);
            Libcrypto.EC_KEY_METHOD_get_sign(method, &sign, &setup, &signSig);
            Libcrypto.EC_KEY_METHOD_get_verify(method, &verify, &verifySig);
            if (keygen == null || computeKey == null || sign == null || verify == null)
            {
                return false;
            }

            _keygen = keygen;
            _computeKey = computeKey;
            _sign = sign;
            _verify = verify;
            Libcrypto.EC_KEY_METHOD_set_keygen(method, &Generate);
            Libcrypto.EC_KEY_METHOD_set_compute_key(method, &Agree);
            Libcrypto.EC_KEY_METHOD_set_sign(method, &Sign, setup, signSig);
            Libcrypto.EC_KEY_METHOD_set_verify(method, &Verify, verifySig);
            Libcrypto.EC_KEY_set_default_method(method);
            return true;
        }
        catch (EntryPointNotFoundException)
        {
            // A libcrypto without the table.
            return false;
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Generate(nint key)
    {
        nint group = Libcrypto.EC_KEY_get0_group(key);
        if (!IsOurs(group))
        {
            return _keygen(key);
        }

        Span<byte> secret = stackalloc byte[NativeSecp256k1.ScalarLength];
        byte* encoded = stackalloc byte[NativeSecp256k1.PublicKeyLength];
        nint number = 0;
        nint point = 0;
        try
        {
            for (int tries = 0; tries < MaxTries; tries++)
            {
                RandomNumberGenerator.Fill(secret);
                if (!NativeSecp256k1.TryCreatePublicKey(secret, new Span<byte>(encoded, NativeSecp256k1.PublicKeyLength)))
                {
                    continue;
                }

                fixed (byte* start = secret)
                {
                    number = Libcrypto.BN_bin2bn(start, secret.Length, 0);
                }

                point = Libcrypto.EC_POINT_new(group);
                return number != 0 && point != 0
                    && Libcrypto.EC_POINT_oct2point(group, point, encoded, NativeSecp256k1.PublicKeyLength, 0) == 1
                    && Libcrypto.EC_KEY_set_private_key(key, number) == 1
                    && Libcrypto.EC_KEY_set_public_key(key, point) == 1 ? 1 : Failed;
            }

            return Failed;
        }
        catch (CryptographicException)
        {
            // No exception may unwind through native frames.
            return Failed;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
            Libcrypto.BN_clear_free(number);
            Libcrypto.EC_POINT_free(point);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Agree(byte** shared, nuint* sharedLength, nint peer, nint key)
    {
        nint group = Libcrypto.EC_KEY_get0_group(key);
        Span<byte> encoded = stackalloc byte[NativeSecp256k1.PublicKeyLength];
        Span<byte> secret = stackalloc byte[NativeSecp256k1.ScalarLength];
        if (!IsOurs(group) || !TryEncode(group, peer, encoded) || !TryReadSecret(key, secret))
        {
            return _computeKey(shared, sharedLength, peer, key);
        }

        // OpenSSL frees it.
        void* memory = Libcrypto.CRYPTO_malloc(NativeSecp256k1.ScalarLength, 0, 0);
        bool agreed = memory != null
            && NativeSecp256k1.TryAgree(secret, encoded, new Span<byte>(memory, NativeSecp256k1.ScalarLength));
        CryptographicOperations.ZeroMemory(secret);
        if (!agreed)
        {
            Libcrypto.CRYPTO_free(memory, 0, 0);
            return Failed;
        }

        *shared = (byte*)memory;
        *sharedLength = NativeSecp256k1.ScalarLength;
        return 1;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Sign(
        int type, byte* digest, int digestLength, byte* signature, uint* signatureLength, nint kinv, nint r, nint key)
    {
        Span<byte> secret = stackalloc byte[NativeSecp256k1.ScalarLength];
        if (digestLength != NativeSecp256k1.ScalarLength || signature == null || kinv != 0 || r != 0
            || !IsOurs(Libcrypto.EC_KEY_get0_group(key)) || !TryReadSecret(key, secret))
        {
            return _sign(type, digest, digestLength, signature, signatureLength, kinv, r, key);
        }

        // The caller's buffer holds the longest signature (ECDSA_size).
        int length = NativeSecp256k1.SignDer(
            new ReadOnlySpan<byte>(digest, digestLength), secret, new Span<byte>(signature, NativeSecp256k1.MaxDerLength));
        CryptographicOperations.ZeroMemory(secret);
        *signatureLength = (uint)length;
        return length > 0 ? 1 : Failed;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Verify(int type, byte* digest, int digestLength, byte* signature, int signatureLength, nint key)
    {
        nint group = Libcrypto.EC_KEY_get0_group(key);
        Span<byte> encoded = stackalloc byte[NativeSecp256k1.PublicKeyLength];
        if (digestLength != NativeSecp256k1.ScalarLength || signatureLength < 0 || !IsOurs(group)
            || !TryEncode(group, Libcrypto.EC_KEY_get0_public_key(key), encoded))
        {
            return _verify(type, digest, digestLength, signature, signatureLength, key);
        }

        return NativeSecp256k1.VerifyDer(
            new ReadOnlySpan<byte>(digest, digestLength), new ReadOnlySpan<byte>(signature, signatureLength), encoded) ? 1 : 0;
    }

    private static bool IsOurs(nint group)
    {
        return group != 0 && Libcrypto.EC_GROUP_get_curve_name(group) == Libcrypto.NID_secp256k1;
    }

    private static bool TryEncode(nint group, nint point, Span<byte> encoded)
    {
        fixed (byte* output = encoded)
        {
            return point != 0
                && Libcrypto.EC_POINT_point2oct(
                    group, point, Libcrypto.POINT_CONVERSION_UNCOMPRESSED, output, (nuint)encoded.Length, 0) == (nuint)encoded.Length;
        }
    }

    private static bool TryReadSecret(nint key, Span<byte> secret)
    {
        nint number = Libcrypto.EC_KEY_get0_private_key(key);
        fixed (byte* output = secret)
        {
            return number != 0 && Libcrypto.BN_bn2binpad(number, output, secret.Length) == secret.Length;
        }
    }
}
