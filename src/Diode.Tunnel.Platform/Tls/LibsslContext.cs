using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using System.Security.Cryptography;
using Diode.Tunnel.Platform.Interop.Linux;

namespace Diode.Tunnel.Platform.Tls;

/// <summary>SSL_CTX: everything the engines of one role and identity share. Connections keep a reference of their own.</summary>
internal sealed unsafe class LibsslContext : SafeHandle
{
    // A Diode certificate has some 460 bytes; more than this is not read from a peer.
    private const int MaxCertificateListBytes = 16 * 1024;

    private static ReadOnlySpan<byte> Ciphers =>
        "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305\0"u8;

    private static ReadOnlySpan<byte> Groups => "secp256k1\0"u8;

    private static ReadOnlySpan<byte> SignatureAlgorithms => "ECDSA+SHA256\0"u8;

    private static ReadOnlySpan<byte> SessionIdContext => "diode_e2e"u8;

    // RFC 5915 ECPrivateKey { version 1, privateKey (32 bytes, filled in), [0] namedCurve 1.3.132.0.10 }
    private static ReadOnlySpan<byte> Sec1Prefix => [0x30, 0x2e, 0x02, 0x01, 0x01, 0x04, 0x20];

    private static ReadOnlySpan<byte> Sec1Suffix => [0xa0, 0x07, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a];

    public LibsslContext()
        : base(0, ownsHandle: true)
    {
    }

    public override bool IsInvalid => handle == 0;

    [SupportedOSPlatform("linux")]
    public static LibsslContext Create(
        TlsRole role, bool resumable, ReadOnlySpan<byte> certificateDer, ReadOnlySpan<byte> privateKey)
    {
        LibsslContext context = new();
        try
        {
            Libcrypto.ERR_clear_error();
            context.SetHandle(Libssl.SSL_CTX_new(Libssl.TLS_method()));
            Require(!context.IsInvalid, "create a TLS context");
            context.Configure(role, resumable);
            context.Load(certificateDer, privateKey);
            return context;
        }
        catch
        {
            context.Dispose();
            throw;
        }
    }

    protected override bool ReleaseHandle()
    {
        Libssl.SSL_CTX_free(handle);
        return true;
    }

    private static void Require(bool success, string attempt)
    {
        if (!success)
        {
            throw new PlatformException($"Could not {attempt}: {OpenSsl.TakeErrors("unknown OpenSSL error")}");
        }
    }

    [SupportedOSPlatform("linux")]
    private void Configure(TlsRole role, bool resumable)
    {
        nint context = handle;
        Require(
            Libssl.SSL_CTX_ctrl(context, Libssl.SSL_CTRL_SET_MIN_PROTO_VERSION, Libssl.TLS1_2_VERSION, null) == 1
            && Libssl.SSL_CTX_ctrl(context, Libssl.SSL_CTRL_SET_MAX_PROTO_VERSION, Libssl.TLS1_2_VERSION, null) == 1,
            "select TLS 1.2");
        Libssl.SSL_CTX_set_options(
            context,
            Libssl.SSL_OP_NO_RENEGOTIATION | Libssl.SSL_OP_NO_COMPRESSION | Libssl.SSL_OP_CIPHER_SERVER_PREFERENCE
            | (resumable && role == TlsRole.Client ? 0 : Libssl.SSL_OP_NO_TICKET));
        Libssl.SSL_CTX_ctrl(
            context,
            Libssl.SSL_CTRL_MODE,
            Libssl.SSL_MODE_RELEASE_BUFFERS | Libssl.SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER,
            null);
        ConfigureSessions(role, resumable);
        Libssl.SSL_CTX_ctrl(context, Libssl.SSL_CTRL_SET_MAX_CERT_LIST, MaxCertificateListBytes, null);

        fixed (byte* ciphers = Ciphers, groups = Groups, algorithms = SignatureAlgorithms, id = SessionIdContext)
        {
            Require(Libssl.SSL_CTX_set_cipher_list(context, ciphers) == 1, "select the cipher suites");
            Require(
                Libssl.SSL_CTX_ctrl(context, Libssl.SSL_CTRL_SET_GROUPS_LIST, 0, groups) == 1,
                "select the curve secp256k1");
            Require(
                Libssl.SSL_CTX_ctrl(context, Libssl.SSL_CTRL_SET_SIGALGS_LIST, 0, algorithms) == 1,
                "select ECDSA with SHA-256");

            // Without an id context OpenSSL refuses every client that offers a session.
            _ = Libssl.SSL_CTX_set_session_id_context(context, id, (uint)SessionIdContext.Length);
        }

        int verify = role == TlsRole.Server
            ? Libssl.SSL_VERIFY_PEER | Libssl.SSL_VERIFY_FAIL_IF_NO_PEER_CERT
            : Libssl.SSL_VERIFY_PEER;
        Libssl.SSL_CTX_set_verify(context, verify, 0);
        Libssl.SSL_CTX_set_cert_verify_callback(context, &LibsslEngine.VerifyPeer, 0);
    }

    /// <summary>
    /// Sessions are kept by <see cref="TlsSessionCache"/>, nothing by OpenSSL. A server gives ids but no tickets: the key
    /// of the tickets would open every session made with it, and is never changed by itself.
    /// </summary>
    [SupportedOSPlatform("linux")]
    private void ConfigureSessions(TlsRole role, bool resumable)
    {
        int mode = Libssl.SSL_SESS_CACHE_OFF;
        if (resumable && role == TlsRole.Server)
        {
            mode = Libssl.SSL_SESS_CACHE_SERVER | Libssl.SSL_SESS_CACHE_NO_INTERNAL;
            Libssl.SSL_CTX_sess_set_get_cb(handle, &LibsslEngine.FindSession);
        }

        Libssl.SSL_CTX_ctrl(handle, Libssl.SSL_CTRL_SET_SESS_CACHE_MODE, mode, null);
        _ = Libssl.SSL_CTX_set_timeout(handle, (nint)TlsSessionCache.Lifetime.TotalSeconds);
    }

    private void Load(ReadOnlySpan<byte> certificateDer, ReadOnlySpan<byte> privateKey)
    {
        fixed (byte* der = certificateDer)
        {
            Require(
                Libssl.SSL_CTX_use_certificate_ASN1(handle, certificateDer.Length, der) == 1,
                "load our TLS certificate");
        }

        Span<byte> sec1 = stackalloc byte[Sec1Prefix.Length + TlsIdentity.PrivateKeyLength + Sec1Suffix.Length];
        nint key = 0;
        try
        {
            Sec1Prefix.CopyTo(sec1);
            privateKey.CopyTo(sec1[Sec1Prefix.Length..]);
            Sec1Suffix.CopyTo(sec1[^Sec1Suffix.Length..]);
            fixed (byte* start = sec1)
            {
                byte* position = start;
                key = Libcrypto.d2i_PrivateKey(Libcrypto.EVP_PKEY_EC, null, &position, sec1.Length);
            }

            Require(key != 0, "load our TLS key");

            // use_PrivateKey compares the key with the certificate that is already loaded.
            Require(
                Libssl.SSL_CTX_use_PrivateKey(handle, key) == 1 && Libssl.SSL_CTX_check_private_key(handle) == 1,
                "match our TLS key and certificate");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(sec1);
            if (key != 0)
            {
                Libcrypto.EVP_PKEY_free(key);
            }
        }
    }
}
