using System.Runtime.InteropServices;

namespace Diode.Tunnel.Platform.Interop.Linux;

/// <summary>libcrypto 3: authenticated encryption.</summary>
internal static unsafe partial class Libcrypto
{
    public const int EVP_CTRL_AEAD_GET_TAG = 0x10;
    public const int EVP_CTRL_AEAD_SET_TAG = 0x11;

    [LibraryImport(Library)]
    public static partial nint EVP_CIPHER_fetch(nint context, byte* algorithm, byte* properties);

    [LibraryImport(Library)]
    public static partial nint EVP_CIPHER_CTX_new();

    [LibraryImport(Library)]
    public static partial void EVP_CIPHER_CTX_free(nint context);

    [LibraryImport(Library)]
    [SuppressGCTransition]
    public static partial int EVP_CipherInit_ex(nint context, nint cipher, nint engine, byte* key, byte* iv, int encrypt);

    /// <summary>For short inputs: the garbage collector waits for the call to end.</summary>
    [LibraryImport(Library, EntryPoint = "EVP_CipherUpdate")]
    [SuppressGCTransition]
    public static partial int EVP_CipherUpdate_Short(nint context, byte* output, int* written, byte* input, int length);

    [LibraryImport(Library)]
    public static partial int EVP_CipherUpdate(nint context, byte* output, int* written, byte* input, int length);

    [LibraryImport(Library)]
    [SuppressGCTransition]
    public static partial int EVP_CipherFinal_ex(nint context, byte* output, int* written);

    [LibraryImport(Library)]
    [SuppressGCTransition]
    public static partial int EVP_CIPHER_CTX_ctrl(nint context, int type, int argument, byte* pointer);
}
