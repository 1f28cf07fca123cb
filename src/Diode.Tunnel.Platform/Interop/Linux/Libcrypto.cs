using System.Runtime.InteropServices;

namespace Diode.Tunnel.Platform.Interop.Linux;

/// <summary>libcrypto 3: initialisation, error queue, memory BIOs, certificates and keys. Native names are kept.</summary>
internal static unsafe partial class Libcrypto
{
    private const string Library = "libcrypto.so.3";

    public const ulong OPENSSL_INIT_LOAD_CRYPTO_STRINGS = 0x00000002;
    public const ulong OPENSSL_INIT_NO_ATEXIT = 0x00080000;
    public const int CRYPTO_EX_INDEX_SSL = 0;
    public const int EVP_PKEY_EC = 408;
    public const int ERR_TXT_STRING = 2;
    public const int X509_V_ERR_CERT_REJECTED = 28;

    [LibraryImport(Library)]
    public static partial int OPENSSL_init_crypto(ulong opts, nint settings);

    [LibraryImport(Library)]
    [SuppressGCTransition]
    public static partial void ERR_clear_error();

    /// <summary>C: unsigned long ERR_get_error_all(const char **file, int *line, const char **func, const char **data, int *flags).</summary>
    [LibraryImport(Library)]
    public static partial nuint ERR_get_error_all(nint file, nint line, nint func, byte** data, int* flags);

    [LibraryImport(Library)]
    public static partial byte* ERR_reason_error_string(nuint e);

    [LibraryImport(Library)]
    public static partial nint BIO_s_mem();

    [LibraryImport(Library)]
    public static partial nint BIO_new(nint type);

    /// <summary>A BIO that reads the caller's memory; at its end it says "end of file" unless told otherwise by <see cref="BIO_ctrl"/>.</summary>
    [LibraryImport(Library)]
    public static partial nint BIO_new_mem_buf(byte* data, int length);

    [LibraryImport(Library)]
    public static partial int BIO_up_ref(nint bio);

    [LibraryImport(Library)]
    public static partial nint BIO_ctrl(nint bio, int command, nint argument, nint pointer);

    [LibraryImport(Library)]
    public static partial int BIO_read(nint bio, byte* data, int length);

    [LibraryImport(Library)]
    public static partial int BIO_write(nint bio, byte* data, int length);

    [LibraryImport(Library)]
    public static partial int BIO_free(nint bio);

    [LibraryImport(Library)]
    [SuppressGCTransition]
    public static partial nuint BIO_ctrl_pending(nint bio);

    /// <summary>The first argument is the kind of object (<see cref="CRYPTO_EX_INDEX_SSL"/>).</summary>
    [LibraryImport(Library)]
    public static partial int CRYPTO_get_ex_new_index(
        int classIndex, nint argl, nint argp, nint newFunction, nint dupFunction, nint freeFunction);

    [LibraryImport(Library)]
    public static partial nint X509_STORE_CTX_get_ex_data(nint storeContext, int index);

    [LibraryImport(Library)]
    public static partial nint X509_STORE_CTX_get0_cert(nint storeContext);

    /// <summary>All certificates the peer sent, its own first.</summary>
    [LibraryImport(Library)]
    public static partial nint X509_STORE_CTX_get0_untrusted(nint storeContext);

    [LibraryImport(Library)]
    public static partial void X509_STORE_CTX_set_error(nint storeContext, int error);

    [LibraryImport(Library)]
    public static partial int OPENSSL_sk_num(nint stack);

    [LibraryImport(Library)]
    public static partial nint X509_get0_pubkey(nint certificate);

    [LibraryImport(Library)]
    public static partial int i2d_X509(nint certificate, byte** output);

    [LibraryImport(Library)]
    public static partial nint d2i_PrivateKey(int type, nint* reuse, byte** input, nint length);

    /// <summary>Writes the zero-terminated curve name of an EC key; 0 for every other key.</summary>
    [LibraryImport(Library)]
    public static partial int EVP_PKEY_get_group_name(nint key, byte* name, nuint size, nuint* length);

    [LibraryImport(Library)]
    public static partial void EVP_PKEY_free(nint key);
}
