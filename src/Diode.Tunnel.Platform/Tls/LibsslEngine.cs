using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Diode.Tunnel.Platform.Interop.Linux;

namespace Diode.Tunnel.Platform.Tls;

/// <summary>libssl over two memory BIOs.</summary>
[SupportedOSPlatform("linux")]
internal sealed unsafe partial class LibsslEngine : TlsEngine
{
    // Memory BIOs keep their largest size. Input goes in by small pieces, output above the limit gets a new BIO, so that
    // an idle connection stays small whatever it once carried.
    private const int InputChunk = 4 * 1024;
    private const int OutputKept = 8 * 1024;
    private const int MinPlaintextSpan = 2 * 1024;

    private readonly LibsslConnection _connection;
    private readonly nint _ssl;
    private readonly TlsPeerValidator _validator;
    private string? _rejection;
    private byte[] _peerCertificate = [];
    private int _pendingOutput;
    private int _largestOutput;
    private bool _isHandshakeComplete;
    private bool _closedByPeer;
    private bool _closedByUs;

    public LibsslEngine(
        TlsRole role,
        TlsIdentity identity,
        TlsPeerValidator validator,
        TlsSessionCache? sessions = null,
        string? sessionKey = null)
    {
        Role = role;
        _validator = validator;
        _sessions = sessions;
        _sessionPrefix = identity.SessionPrefix;
        _connection = new LibsslConnection(identity.GetContext(role, sessions is not null), this);
        _ssl = _connection.DangerousGetHandle();
        if (role == TlsRole.Server)
        {
            Libssl.SSL_set_accept_state(_ssl);
            return;
        }

        Libssl.SSL_set_connect_state(_ssl);
        if (sessionKey is not null)
        {
            _sessionKey = _sessionPrefix + sessionKey;
            OfferSession();
        }

        Libcrypto.ERR_clear_error();
        int result = Libssl.SSL_do_handshake(_ssl);
        if (Libssl.SSL_get_error(_ssl, result) != Libssl.SSL_ERROR_WANT_READ)
        {
            _connection.Dispose();
            throw new PlatformException($"Could not start a TLS handshake: {OpenSsl.TakeErrors("unknown error")}");
        }

        MeasureOutput();
    }

    public override TlsRole Role { get; }

    public override bool IsHandshakeComplete => _isHandshakeComplete;

    public override ReadOnlyMemory<byte> PeerCertificate => _peerCertificate;

    public override int PendingOutput => _pendingOutput;

    public override TlsResult Receive(ReadOnlySpan<byte> ciphertext, IBufferWriter<byte> plaintext)
    {
        ArgumentNullException.ThrowIfNull(plaintext);
        ObjectDisposedException.ThrowIf(_connection.IsClosed, this);
        TlsResult result = Error is not null ? TlsResult.Failed : _closedByPeer ? TlsResult.Closed : TlsResult.Ok;
        while (result == TlsResult.Ok && !ciphertext.IsEmpty)
        {
            ReadOnlySpan<byte> chunk = ciphertext[..Math.Min(ciphertext.Length, InputChunk)];
            ciphertext = ciphertext[chunk.Length..];
            fixed (byte* start = chunk)
            {
                if (Libcrypto.BIO_write(_connection.Input, start, chunk.Length) != chunk.Length)
                {
                    result = Fail("out of memory");
                    break;
                }
            }

            result = Decrypt(plaintext);
        }

        MeasureOutput();
        GC.KeepAlive(this);
        return result;
    }

    public override TlsResult Send(ReadOnlySpan<byte> plaintext)
    {
        ObjectDisposedException.ThrowIf(_connection.IsClosed, this);
        if (Error is not null || _closedByUs)
        {
            return Error is not null ? TlsResult.Failed : TlsResult.Closed;
        }

        if (!_isHandshakeComplete)
        {
            throw new InvalidOperationException("The TLS handshake is not complete.");
        }

        if (plaintext.IsEmpty)
        {
            return TlsResult.Ok;
        }

        TlsResult result = TlsResult.Ok;
        Libcrypto.ERR_clear_error();
        fixed (byte* start = plaintext)
        {
            // The BIO takes everything, so the write is never partial.
            if (Libssl.SSL_write(_ssl, start, plaintext.Length) != plaintext.Length)
            {
                result = Fail(OpenSsl.TakeErrors("the TLS library did not take the data"));
            }
        }

        MeasureOutput();
        GC.KeepAlive(this);
        return result;
    }

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
        if (_pendingOutput == 0 && _largestOutput > OutputKept)
        {
            _connection.RenewOutput();
            _largestOutput = 0;
        }

        GC.KeepAlive(this);
        return read;
    }

    public override void Shutdown()
    {
        ObjectDisposedException.ThrowIf(_connection.IsClosed, this);
        if (_closedByUs)
        {
            return;
        }

        _closedByUs = true;

        // SSL_shutdown is not allowed during a handshake or after a fatal error.
        if (_isHandshakeComplete && Error is null)
        {
            Libcrypto.ERR_clear_error();
            _ = Libssl.SSL_shutdown(_ssl);
            MeasureOutput();
        }

        GC.KeepAlive(this);
    }

    /// <summary>Called by libssl in place of chain building: a Diode certificate is self-signed and may have expired.</summary>
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static int VerifyPeer(nint storeContext, nint argument)
    {
        LibsslEngine? engine = null;
        string? rejection;
        try
        {
            nint ssl = Libcrypto.X509_STORE_CTX_get_ex_data(storeContext, Libssl.SSL_get_ex_data_X509_STORE_CTX_idx());
            engine = LibsslConnection.FindOwner(ssl) as LibsslEngine;
            rejection = engine is null ? "connection without owner" : engine.CheckPeer(storeContext);
        }
        catch (Exception exception)
        {
            // No exception may unwind through native frames: it becomes a refusal.
            rejection = $"the validator of the peer certificate failed: {exception.GetType().Name}";
        }

        if (rejection is null)
        {
            return 1;
        }

        engine?._rejection = rejection;
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

    /// <summary>Null to accept, otherwise the reason of the refusal.</summary>
    private string? CheckPeer(nint storeContext)
    {
        if (Libcrypto.OPENSSL_sk_num(Libcrypto.X509_STORE_CTX_get0_untrusted(storeContext)) != 1)
        {
            return "the peer sent more than one certificate";
        }

        return CheckPeerCertificate(Libcrypto.X509_STORE_CTX_get0_cert(storeContext));
    }

    private string? CheckPeerCertificate(nint certificate)
    {
        if (!IsSecp256k1(Libcrypto.X509_get0_pubkey(certificate)))
        {
            return "the peer's key is not on the curve secp256k1";
        }

        int length = Libcrypto.i2d_X509(certificate, null);
        if (length <= 0)
        {
            return "the peer's certificate cannot be encoded";
        }

        byte[] der = new byte[length];
        fixed (byte* start = der)
        {
            byte* position = start;
            if (Libcrypto.i2d_X509(certificate, &position) != length)
            {
                return "the peer's certificate cannot be encoded";
            }
        }

        if (!_validator(der))
        {
            return "the peer's certificate was refused";
        }

        _peerCertificate = der;
        return null;
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

            if (!_isHandshakeComplete && Libssl.SSL_is_init_finished(_ssl) == 1)
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
                    _closedByPeer = true;
                    return TlsResult.Closed;
                default:
                    string text = OpenSsl.TakeErrors("unknown TLS error");
                    return Fail(_rejection is null ? text : $"{_rejection}; {text}");
            }
        }
    }

    private TlsResult Fail(string error)
    {
        Error ??= error;
        if (!_isHandshakeComplete && _sessionKey is not null)
        {
            // If the session was the reason, the next attempt makes a full handshake.
            _sessions?.Remove(Role, _sessionKey);
        }

        return TlsResult.Failed;
    }

    private void MeasureOutput()
    {
        _pendingOutput = (int)Libcrypto.BIO_ctrl_pending(_connection.Output);
        _largestOutput = Math.Max(_largestOutput, _pendingOutput);
    }
}
