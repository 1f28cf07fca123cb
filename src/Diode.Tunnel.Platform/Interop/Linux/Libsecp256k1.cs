using System.Runtime.InteropServices;

namespace Diode.Tunnel.Platform.Interop.Linux;

/// <summary>
/// libsecp256k1 (Bitcoin Core's), any of the sonames of distributions; the functions used here are the same in all. Native names are kept.
/// Functions answer 1 for success. The context is only read by them, so any number of threads may use it.
/// </summary>
internal static unsafe class Libsecp256k1
{
    /// <summary>Opaque structures of the library.</summary>
    public const int PublicKeySize = 64;
    public const int SignatureSize = 64;
    public const int RecoverableSignatureSize = 65;

    public const uint SECP256K1_EC_UNCOMPRESSED = 1 << 1;

    // Sign and verify; newer versions take it for "any".
    private const uint Flags = 1 | (1 << 8) | (1 << 9);

    private static readonly nint Library = Load();

    public static readonly delegate* unmanaged[Cdecl]<nint, byte*, byte*, int> secp256k1_ec_pubkey_create =
        (delegate* unmanaged[Cdecl]<nint, byte*, byte*, int>)Find("secp256k1_ec_pubkey_create");

    /// <summary>(context, pubkey out, input, length)</summary>
    public static readonly delegate* unmanaged[Cdecl]<nint, byte*, byte*, nuint, int> secp256k1_ec_pubkey_parse =
        (delegate* unmanaged[Cdecl]<nint, byte*, byte*, nuint, int>)Find("secp256k1_ec_pubkey_parse");

    /// <summary>(context, output, length in and out, pubkey, flags)</summary>
    public static readonly delegate* unmanaged[Cdecl]<nint, byte*, nuint*, byte*, uint, int> secp256k1_ec_pubkey_serialize =
        (delegate* unmanaged[Cdecl]<nint, byte*, nuint*, byte*, uint, int>)Find("secp256k1_ec_pubkey_serialize");

    /// <summary>(context, signature out, digest, secret, nonce function, data): RFC 6979 and low s by default</summary>
    public static readonly delegate* unmanaged[Cdecl]<nint, byte*, byte*, byte*, nint, nint, int> secp256k1_ecdsa_sign =
        (delegate* unmanaged[Cdecl]<nint, byte*, byte*, byte*, nint, nint, int>)Find("secp256k1_ecdsa_sign");

    /// <summary>(context, signature, digest, pubkey): refuses high s</summary>
    public static readonly delegate* unmanaged[Cdecl]<nint, byte*, byte*, byte*, int> secp256k1_ecdsa_verify =
        (delegate* unmanaged[Cdecl]<nint, byte*, byte*, byte*, int>)Find("secp256k1_ecdsa_verify");

    /// <summary>(context, output, input): 1 when it changed something</summary>
    public static readonly delegate* unmanaged[Cdecl]<nint, byte*, byte*, int> secp256k1_ecdsa_signature_normalize =
        (delegate* unmanaged[Cdecl]<nint, byte*, byte*, int>)Find("secp256k1_ecdsa_signature_normalize");

    /// <summary>(context, signature out, input, length)</summary>
    public static readonly delegate* unmanaged[Cdecl]<nint, byte*, byte*, nuint, int> secp256k1_ecdsa_signature_parse_der =
        (delegate* unmanaged[Cdecl]<nint, byte*, byte*, nuint, int>)Find("secp256k1_ecdsa_signature_parse_der");

    /// <summary>(context, output, length in and out, signature)</summary>
    public static readonly delegate* unmanaged[Cdecl]<nint, byte*, nuint*, byte*, int> secp256k1_ecdsa_signature_serialize_der =
        (delegate* unmanaged[Cdecl]<nint, byte*, nuint*, byte*, int>)Find("secp256k1_ecdsa_signature_serialize_der");

    /// <summary>As <see cref="secp256k1_ecdsa_sign"/>, keeping the recovery id</summary>
    public static readonly delegate* unmanaged[Cdecl]<nint, byte*, byte*, byte*, nint, nint, int> secp256k1_ecdsa_sign_recoverable =
        (delegate* unmanaged[Cdecl]<nint, byte*, byte*, byte*, nint, nint, int>)Find("secp256k1_ecdsa_sign_recoverable");

    /// <summary>(context, 64 bytes out, recovery id out, signature)</summary>
    public static readonly delegate* unmanaged[Cdecl]<nint, byte*, int*, byte*, int> secp256k1_ecdsa_recoverable_signature_serialize_compact =
        (delegate* unmanaged[Cdecl]<nint, byte*, int*, byte*, int>)Find("secp256k1_ecdsa_recoverable_signature_serialize_compact");

    /// <summary>(context, signature out, 64 bytes, recovery id)</summary>
    public static readonly delegate* unmanaged[Cdecl]<nint, byte*, byte*, int, int> secp256k1_ecdsa_recoverable_signature_parse_compact =
        (delegate* unmanaged[Cdecl]<nint, byte*, byte*, int, int>)Find("secp256k1_ecdsa_recoverable_signature_parse_compact");

    /// <summary>(context, pubkey out, signature, digest)</summary>
    public static readonly delegate* unmanaged[Cdecl]<nint, byte*, byte*, byte*, int> secp256k1_ecdsa_recover =
        (delegate* unmanaged[Cdecl]<nint, byte*, byte*, byte*, int>)Find("secp256k1_ecdsa_recover");

    /// <summary>(context, output, pubkey, secret, hash function (output, x, y, data), data)</summary>
    public static readonly delegate* unmanaged[Cdecl]<nint, byte*, byte*, byte*, delegate* unmanaged[Cdecl]<byte*, byte*, byte*, nint, int>, nint, int> secp256k1_ecdh =
        (delegate* unmanaged[Cdecl]<nint, byte*, byte*, byte*, delegate* unmanaged[Cdecl]<byte*, byte*, byte*, nint, int>, nint, int>)Find("secp256k1_ecdh");

    /// <summary>The context of the process, randomised against side channels; 0 when the library or one of its functions is missing.</summary>
    public static nint Context { get; } = CreateContext();

    private static nint Load()
    {
        if (OperatingSystem.IsLinux())
        {
            foreach (string version in (ReadOnlySpan<string>)["1", "2", "5", "6", "0"])
            {
                if (NativeLibrary.TryLoad($"libsecp256k1.so.{version}", out nint library))
                {
                    return library;
                }
            }
        }

        return 0;
    }

    private static nint Find(string name)
    {
        return Library != 0 && NativeLibrary.TryGetExport(Library, name, out nint address) ? address : 0;
    }

    private static nint CreateContext()
    {
        nint create = Find("secp256k1_context_create");
        nint randomize = Find("secp256k1_context_randomize");
        if (create == 0 || randomize == 0 || secp256k1_ec_pubkey_create == null || secp256k1_ec_pubkey_parse == null
            || secp256k1_ec_pubkey_serialize == null || secp256k1_ecdsa_sign == null || secp256k1_ecdsa_verify == null
            || secp256k1_ecdsa_signature_normalize == null || secp256k1_ecdsa_signature_parse_der == null
            || secp256k1_ecdsa_signature_serialize_der == null || secp256k1_ecdsa_sign_recoverable == null
            || secp256k1_ecdsa_recoverable_signature_serialize_compact == null
            || secp256k1_ecdsa_recoverable_signature_parse_compact == null || secp256k1_ecdsa_recover == null || secp256k1_ecdh == null)
        {
            return 0;
        }

        nint context = ((delegate* unmanaged[Cdecl]<uint, nint>)create)(Flags);
        byte* seed = stackalloc byte[32];
        System.Security.Cryptography.RandomNumberGenerator.Fill(new Span<byte>(seed, 32));
        _ = ((delegate* unmanaged[Cdecl]<nint, byte*, int>)randomize)(context, seed);
        return context;
    }
}
