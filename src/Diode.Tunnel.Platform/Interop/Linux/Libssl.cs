using System.Runtime.InteropServices;

namespace Diode.Tunnel.Platform.Interop.Linux;

/// <summary>libssl 3: contexts and connections. Native names are kept.</summary>
internal static unsafe partial class Libssl
{
    private const string Library = "libssl.so.3";

    public const ulong OPENSSL_INIT_LOAD_SSL_STRINGS = 0x00200000;

    public const int TLS1_2_VERSION = 0x0303;

    public const int SSL_CTRL_MODE = 33;
    public const int SSL_CTRL_SET_SESS_CACHE_MODE = 44;
    public const int SSL_CTRL_SET_MAX_CERT_LIST = 51;
    public const int SSL_CTRL_SET_GROUPS_LIST = 92;
    public const int SSL_CTRL_SET_SIGALGS_LIST = 98;
    public const int SSL_CTRL_SET_MIN_PROTO_VERSION = 123;
    public const int SSL_CTRL_SET_MAX_PROTO_VERSION = 124;

    public const int SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER = 0x02;
    public const int SSL_MODE_RELEASE_BUFFERS = 0x10;
    public const int SSL_SESS_CACHE_OFF = 0;
    public const int SSL_SESS_CACHE_SERVER = 0x0002;
    public const int SSL_SESS_CACHE_NO_INTERNAL = 0x0300;

    public const ulong SSL_OP_NO_TICKET = 1UL << 14;
    public const ulong SSL_OP_NO_COMPRESSION = 1UL << 17;
    public const ulong SSL_OP_CIPHER_SERVER_PREFERENCE = 1UL << 22;
    public const ulong SSL_OP_NO_RENEGOTIATION = 1UL << 30;

    public const int SSL_VERIFY_PEER = 0x01;
    public const int SSL_VERIFY_FAIL_IF_NO_PEER_CERT = 0x02;

    public const int SSL_ERROR_SSL = 1;
    public const int SSL_ERROR_WANT_READ = 2;
    public const int SSL_ERROR_ZERO_RETURN = 6;

    [LibraryImport(Library)]
    public static partial int OPENSSL_init_ssl(ulong opts, nint settings);

    [LibraryImport(Library)]
    public static partial nint TLS_method();

    [LibraryImport(Library)]
    public static partial nint SSL_CTX_new(nint method);

    [LibraryImport(Library)]
    public static partial void SSL_CTX_free(nint context);

    /// <summary>C long is pointer-sized on every Linux architecture.</summary>
    [LibraryImport(Library)]
    public static partial nint SSL_CTX_ctrl(nint context, int command, nint larg, byte* parg);

    [LibraryImport(Library)]
    public static partial ulong SSL_CTX_set_options(nint context, ulong options);

    [LibraryImport(Library)]
    public static partial int SSL_CTX_set_cipher_list(nint context, byte* list);

    [LibraryImport(Library)]
    public static partial int SSL_CTX_set_session_id_context(nint context, byte* sessionIdContext, uint length);

    [LibraryImport(Library)]
    public static partial void SSL_CTX_set_verify(nint context, int mode, nint callback);

    [LibraryImport(Library)]
    public static partial void SSL_CTX_set_cert_verify_callback(
        nint context, delegate* unmanaged[Cdecl]<nint, nint, int> callback, nint argument);

    [LibraryImport(Library)]
    public static partial int SSL_CTX_use_certificate_ASN1(nint context, int length, byte* der);

    [LibraryImport(Library)]
    public static partial int SSL_CTX_use_PrivateKey(nint context, nint key);

    [LibraryImport(Library)]
    public static partial int SSL_CTX_check_private_key(nint context);

    [LibraryImport(Library)]
    public static partial nint SSL_new(nint context);

    [LibraryImport(Library)]
    public static partial void SSL_free(nint ssl);

    [LibraryImport(Library)]
    public static partial void SSL_set_bio(nint ssl, nint readBio, nint writeBio);

    [LibraryImport(Library)]
    public static partial void SSL_set0_rbio(nint ssl, nint readBio);

    [LibraryImport(Library)]
    public static partial void SSL_set0_wbio(nint ssl, nint writeBio);

    [LibraryImport(Library)]
    public static partial void SSL_set_connect_state(nint ssl);

    [LibraryImport(Library)]
    public static partial void SSL_set_accept_state(nint ssl);

    [LibraryImport(Library)]
    public static partial int SSL_set_ex_data(nint ssl, int index, nint data);

    [LibraryImport(Library)]
    public static partial nint SSL_get_ex_data(nint ssl, int index);

    [LibraryImport(Library)]
    public static partial int SSL_get_ex_data_X509_STORE_CTX_idx();

    [LibraryImport(Library)]
    public static partial int SSL_do_handshake(nint ssl);

    [LibraryImport(Library)]
    public static partial int SSL_read(nint ssl, byte* buffer, int length);

    [LibraryImport(Library)]
    public static partial int SSL_write(nint ssl, byte* buffer, int length);

    [LibraryImport(Library)]
    public static partial int SSL_shutdown(nint ssl);

    [LibraryImport(Library)]
    [SuppressGCTransition]
    public static partial int SSL_pending(nint ssl);

    [LibraryImport(Library)]
    public static partial int SSL_get_error(nint ssl, int result);

    [LibraryImport(Library)]
    [SuppressGCTransition]
    public static partial int SSL_is_init_finished(nint ssl);

    /// <summary>In seconds.</summary>
    [LibraryImport(Library)]
    public static partial nint SSL_CTX_set_timeout(nint context, nint seconds);

    /// <summary>C: SSL_SESSION *(*get_session_cb)(SSL *ssl, const unsigned char *id, int length, int *copy).</summary>
    [LibraryImport(Library)]
    public static partial void SSL_CTX_sess_set_get_cb(
        nint context, delegate* unmanaged[Cdecl]<nint, byte*, int, int*, nint> callback);

    /// <summary>Takes a reference of its own.</summary>
    [LibraryImport(Library)]
    public static partial int SSL_set_session(nint ssl, nint session);

    /// <summary>Borrowed.</summary>
    [LibraryImport(Library)]
    public static partial nint SSL_get_session(nint ssl);

    [LibraryImport(Library)]
    public static partial int SSL_session_reused(nint ssl);

    /// <summary>Borrowed.</summary>
    [LibraryImport(Library)]
    public static partial nint SSL_get0_peer_certificate(nint ssl);

    [LibraryImport(Library)]
    public static partial int SSL_SESSION_is_resumable(nint session);

    [LibraryImport(Library)]
    public static partial byte* SSL_SESSION_get_id(nint session, uint* length);

    [LibraryImport(Library)]
    public static partial void SSL_SESSION_free(nint session);

    [LibraryImport(Library)]
    public static partial int i2d_SSL_SESSION(nint session, byte** output);

    [LibraryImport(Library)]
    public static partial nint d2i_SSL_SESSION(nint* reuse, byte** input, nint length);
}
