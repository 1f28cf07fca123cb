using System.Runtime.InteropServices;

namespace Diode.Tunnel.Platform.Interop.Linux;

/// <content>EC keys and the table of functions behind them. Native names are kept.</content>
internal static unsafe partial class Libcrypto
{
    public const int NID_secp256k1 = 714;
    public const int POINT_CONVERSION_UNCOMPRESSED = 4;

    /// <summary>The table new keys get unless another one is set.</summary>
    [LibraryImport(Library)]
    public static partial nint EC_KEY_OpenSSL();

    [LibraryImport(Library)]
    public static partial nint EC_KEY_METHOD_new(nint copied);

    [LibraryImport(Library)]
    public static partial void EC_KEY_set_default_method(nint method);

    [LibraryImport(Library)]
    public static partial void EC_KEY_METHOD_set_keygen(nint method, delegate* unmanaged[Cdecl]<nint, int> keygen);

    [LibraryImport(Library)]
    public static partial void EC_KEY_METHOD_get_keygen(nint method, delegate* unmanaged[Cdecl]<nint, int>* keygen);

    [LibraryImport(Library)]
    public static partial void EC_KEY_METHOD_set_compute_key(
        nint method, delegate* unmanaged[Cdecl]<byte**, nuint*, nint, nint, int> computeKey);

    [LibraryImport(Library)]
    public static partial void EC_KEY_METHOD_get_compute_key(
        nint method, delegate* unmanaged[Cdecl]<byte**, nuint*, nint, nint, int>* computeKey);

    [LibraryImport(Library)]
    public static partial void EC_KEY_METHOD_set_sign(
        nint method, delegate* unmanaged[Cdecl]<int, byte*, int, byte*, uint*, nint, nint, nint, int> sign, nint setup, nint signSig);

    [LibraryImport(Library)]
    public static partial void EC_KEY_METHOD_get_sign(
        nint method, delegate* unmanaged[Cdecl]<int, byte*, int, byte*, uint*, nint, nint, nint, int>* sign, nint* setup, nint* signSig);

    [LibraryImport(Library)]
    public static partial void EC_KEY_METHOD_set_verify(
        nint method, delegate* unmanaged[Cdecl]<int, byte*, int, byte*, int, nint, int> verify, nint verifySig);

    [LibraryImport(Library)]
    public static partial void EC_KEY_METHOD_get_verify(
        nint method, delegate* unmanaged[Cdecl]<int, byte*, int, byte*, int, nint, int>* verify, nint* verifySig);

    [LibraryImport(Library)]
    public static partial nint EC_KEY_get0_group(nint key);

    [LibraryImport(Library)]
    public static partial nint EC_KEY_get0_public_key(nint key);

    /// <summary>A BIGNUM.</summary>
    [LibraryImport(Library)]
    public static partial nint EC_KEY_get0_private_key(nint key);

    /// <summary>Copies the number.</summary>
    [LibraryImport(Library)]
    public static partial int EC_KEY_set_private_key(nint key, nint number);

    /// <summary>Copies the point.</summary>
    [LibraryImport(Library)]
    public static partial int EC_KEY_set_public_key(nint key, nint point);

    [LibraryImport(Library)]
    public static partial int EC_GROUP_get_curve_name(nint group);

    [LibraryImport(Library)]
    public static partial nint EC_POINT_new(nint group);

    [LibraryImport(Library)]
    public static partial void EC_POINT_free(nint point);

    [LibraryImport(Library)]
    public static partial nuint EC_POINT_point2oct(nint group, nint point, int form, byte* buffer, nuint length, nint context);

    [LibraryImport(Library)]
    public static partial int EC_POINT_oct2point(nint group, nint point, byte* buffer, nuint length, nint context);

    [LibraryImport(Library)]
    public static partial nint BN_bin2bn(byte* bytes, int length, nint reused);

    /// <summary>Zeroes and frees.</summary>
    [LibraryImport(Library)]
    public static partial void BN_clear_free(nint number);

    /// <summary>Big-endian, padded; −1 when it does not fit.</summary>
    [LibraryImport(Library)]
    public static partial int BN_bn2binpad(nint number, byte* output, int length);

    [LibraryImport(Library)]
    public static partial void* CRYPTO_malloc(nuint length, nint file, int line);

    [LibraryImport(Library)]
    public static partial void CRYPTO_free(void* memory, nint file, int line);
}
