using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Diode.Tunnel.Platform.Interop.Linux;

namespace Diode.Tunnel.Platform.Tls;

/// <summary>libssl over two memory BIOs.</summary>
[SupportedOSPlatform("linux")]
internal sealed unsafe partial class LibsslEngine : GuardedTlsEngine
{
    // Memory BIOs keep their largest size. Larger input is read where it is, output above the limit gets a new BIO, so that
    // an idle connection stays small whatever it once carried.
    private const int MaxCopiedInput = 4 * 1024;
    private const int OutputKept = 8 * 1024;
    private const int MinPlaintextSpan = 2 * 1024;

    private readonly LibsslConnection _connection;
    private readonly nint _ssl;
    private int _pendingOutput;
    private int _largestOutput;

    public LibsslEngine(
        TlsRole role,
        TlsIdentity identity,
        TlsPeerValidator validator,
        TlsSessionCache? sessions = null,
        string? sessionKey = null)
        : base(role, identity, validator, sessions, sessionKey)
    {
        _connection = new LibsslConnection(identity.GetContext(role, sessions is not null), this);
        _ssl = _connection.DangerousGetHandle();
        if (role == TlsRole.Server)
        {
            Libssl.SSL_set_accept_state(_ssl);
            return;
        }

        Libssl.SSL_set_connect_state(_ssl);
        OfferSession();
        Libcrypto.ERR_clear_error();
        int result = Libssl.SSL_do_handshake(_ssl);
        if (Libssl.SSL_get_error(_ssl, result) != Libssl.SSL_ERROR_WANT_READ)
        {
            _connection.Dispose();
            throw new PlatformException($"Could not start a TLS handshake: {OpenSsl.TakeErrors("unknown error")}");
        }

        MeasureOutput();
    }

    public override int PendingOutput => _pendingOutput;

    protected override bool IsDisposed => _connection.IsClosed;

    public override int ReadOutput(Span<byte> ciphertext)
    {
        ObjectDisposedException.ThrowIf(_connection.IsClosed, this);
        int wanted = Math.Min(_pendingOutput, ciphertext.Length);
        if (wanted == 0)
        {
            return 0;
        }

        int read;
        fixed (byte* start = ciphertext)
        {
            read = Math.Max(0, Libcrypto.BIO_read(_connection.Output, start, wanted));
        }

        _pendingOutput -= read;
        if (!KeepsBuffers)
        {
            TrimOutput();
        }

        GC.KeepAlive(this);
        return read;
    }

    public override void Trim()
    {
        ObjectDisposedException.ThrowIf(_connection.IsClosed, this);
        TrimOutput();
        GC.KeepAlive(this);
    }

    /// <summary>
    /// Called by libssl in place of chain building: a Diode certificate is self-signed and may have expired. The guard and
    /// the validator have accepted it before libssl saw it.
    /// </summary>
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static int VerifyPeer(nint storeContext, nint argument)
    {
        try
        {
            nint ssl = Libcrypto.X509_STORE_CTX_get_ex_data(storeContext, Libssl.SSL_get_ex_data_X509_STORE_CTX_idx());
            if (LibsslConnection.FindOwner(ssl) is LibsslEngine engine && engine.IsCheckedPeer(storeContext))
            {
                return 1;
            }
        }
        catch (Exception)
        {
            // No exception may unwind through native frames: it becomes a refusal.
        }

        Libcrypto.X509_STORE_CTX_set_error(storeContext, Libcrypto.X509_V_ERR_CERT_REJECTED);
        return 0;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _connection.Dispose();
        }
    }

    protected override TlsResult Feed(ReadOnlySpan<byte> records, IBufferWriter<byte> plaintext)
    {
        fixed (byte* start = records)
        {
            if (records.Length > MaxCopiedInput)
            {
                if (!_connection.TryLend(start, records.Length))
                {
                    return Fail("out of memory");
                }

                TlsResult result = Decrypt(plaintext);
                _connection.EndLoan();
                return result;
            }

            return Libcrypto.BIO_write(_connection.Input, start, records.Length) == records.Length
                ? Decrypt(plaintext)
                : Fail("out of memory");
        }
    }

    protected override TlsResult Encrypt(ReadOnlySpan<byte> plaintext)
    {
        Libcrypto.ERR_clear_error();
        fixed (byte* start = plaintext)
        {
            // The BIO takes everything, so the write is never partial.
            return Libssl.SSL_write(_ssl, start, plaintext.Length) == plaintext.Length
                ? TlsResult.Ok
                : Fail(OpenSsl.TakeErrors("the TLS library did not take the data"));
        }
    }

    protected override void SendCloseNotify()
    {
        Libcrypto.ERR_clear_error();
        _ = Libssl.SSL_shutdown(_ssl);
    }

    protected override void QueueRecord(ReadOnlySpan<byte> record)
    {
        fixed (byte* start = record)
        {
            _ = Libcrypto.BIO_write(_connection.Output, start, record.Length);
        }
    }

    protected override void EndCall()
    {
        MeasureOutput();
        GC.KeepAlive(this);
    }

    private void TrimOutput()
    {
        if (_pendingOutput == 0 && _largestOutput > OutputKept)
        {
            _connection.RenewOutput();
            _largestOutput = 0;
        }
    }

    /// <summary>The library must mean the certificate that was checked, byte by byte; only it and nothing else.</summary>
    private bool IsCheckedPeer(nint storeContext)
    {
        nint certificate = Libcrypto.X509_STORE_CTX_get0_cert(storeContext);
        return Libcrypto.OPENSSL_sk_num(Libcrypto.X509_STORE_CTX_get0_untrusted(storeContext)) == 1
            && !CheckedCertificate.IsEmpty
            && CheckedCertificate.SequenceEqual(Encode(certificate))
            && IsSecp256k1(Libcrypto.X509_get0_pubkey(certificate));
    }

    /// <summary>DER of a certificate; empty if there is none.</summary>
    private static byte[] Encode(nint certificate)
    {
        int length = certificate == 0 ? 0 : Libcrypto.i2d_X509(certificate, null);
        if (length is <= 0 or > PeerCertificateCheck.MaxLength)
        {
            return [];
        }

        byte[] der = new byte[length];
        fixed (byte* start = der)
        {
            byte* position = start;
            return Libcrypto.i2d_X509(certificate, &position) == length ? der : [];
        }
    }

    private static bool IsSecp256k1(nint key)
    {
        const int size = 32;
        byte* name = stackalloc byte[size];
        nuint length = 0;
        return key != 0
            && Libcrypto.EVP_PKEY_get_group_name(key, name, size, &length) == 1
            && MemoryMarshal.CreateReadOnlySpanFromNullTerminated(name).SequenceEqual("secp256k1"u8);
    }

    private TlsResult Decrypt(IBufferWriter<byte> plaintext)
    {
        while (true)
        {
            Span<byte> span = plaintext.GetSpan(MinPlaintextSpan);
            int read;
            int error;
            Libcrypto.ERR_clear_error();
            fixed (byte* start = span)
            {
                read = Libssl.SSL_read(_ssl, start, span.Length);
                error = read > 0 ? 0 : Libssl.SSL_get_error(_ssl, read);
            }

            if (!IsHandshakeComplete && Libssl.SSL_is_init_finished(_ssl) == 1)
            {
                if (CompleteHandshake() is { } refusal)
                {
                    return Fail(refusal);
                }
            }

            if (read > 0)
            {
                plaintext.Advance(read);
                if (Libssl.SSL_pending(_ssl) == 0 && Libcrypto.BIO_ctrl_pending(_connection.Input) == 0)
                {
                    return TlsResult.Ok;
                }

                continue;
            }

            switch (error)
            {
                case Libssl.SSL_ERROR_WANT_READ:
                    return TlsResult.Ok;
                case Libssl.SSL_ERROR_ZERO_RETURN:
                    return TlsResult.Closed;
                default:
                    return Fail(OpenSsl.TakeErrors("unknown TLS error"));
            }
        }
    }

    private void MeasureOutput()
    {
        _pendingOutput = (int)Libcrypto.BIO_ctrl_pending(_connection.Output);
        _largestOutput = Math.Max(_largestOutput, _pendingOutput);
    }
}
