using System.Runtime.InteropServices;

namespace Diode.Tunnel.Platform.Interop.Linux;

/// <summary>libcrypto 3: raw keys and key agreement.</summary>
internal static unsafe partial class Libcrypto
{
    public const int EVP_PKEY_X25519 = 1034;

    [LibraryImport(Library)]
    public static partial nint EVP_PKEY_new_raw_private_key(int type, nint engine, byte* key, nuint length);

    [LibraryImport(Library)]
    public static partial nint EVP_PKEY_new_raw_public_key(int type, nint engine, byte* key, nuint length);

    [LibraryImport(Library)]
    public static partial int EVP_PKEY_get_raw_public_key(nint key, byte* output, nuint* length);

    [LibraryImport(Library)]
    public static partial nint EVP_PKEY_CTX_new(nint key, nint engine);

    [LibraryImport(Library)]
    public static partial void EVP_PKEY_CTX_free(nint context);

    [LibraryImport(Library)]
    public static partial int EVP_PKEY_derive_init(nint context);

    [LibraryImport(Library)]
    public static partial int EVP_PKEY_derive_set_peer(nint context, nint peer);

    [LibraryImport(Library)]
    public static partial int EVP_PKEY_derive(nint context, byte* secret, nuint* length);
}
