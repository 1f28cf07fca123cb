using System.Buffers;

namespace Diode.Tunnel.Platform.Tls;

/// <summary>What the engines have in common, so that they differ in the library and in nothing else.</summary>
internal abstract class GuardedTlsEngine : TlsEngine
{
    private readonly TlsPeerValidator _validator;
    private HandshakeGuard? _guard;
    private byte[] _peerCertificate = [];
    private bool _isHandshakeComplete;
    private bool _isResumed;
    private bool _closedByPeer;
    private bool _closedByUs;

    protected GuardedTlsEngine(
        TlsRole role, TlsIdentity identity, TlsPeerValidator validator, TlsSessionCache? sessions, string? sessionKey)
    {
        Role = role;
        _validator = validator;
        _guard = new HandshakeGuard(role, validator);
        Sessions = sessions;
        SessionPrefix = identity.SessionPrefix;
        SessionKey = role == TlsRole.Client && sessions is not null && sessionKey is not null
            ? SessionPrefix + sessionKey
            : null;
    }

    public sealed override TlsRole Role { get; }

    public sealed override bool IsHandshakeComplete => _isHandshakeComplete;

    public sealed override bool IsResumed => _isResumed;

    public sealed override ReadOnlyMemory<byte> PeerCertificate => _peerCertificate;

    /// <summary>The cache for resumption, if there is one.</summary>
    protected TlsSessionCache? Sessions { get; }

    /// <summary>Begins every cache key of this identity.</summary>
    protected string SessionPrefix { get; }

    /// <summary>The cache key of a client that may resume; null otherwise.</summary>
    protected string? SessionKey { get; }

    /// <summary>The certificate that came over the wire and was accepted; empty before and if none came.</summary>
    protected ReadOnlySpan<byte> CheckedCertificate => _peerCertificate;

    protected abstract bool IsDisposed { get; }

    public sealed override TlsResult Receive(ReadOnlySpan<byte> ciphertext, IBufferWriter<byte> plaintext)
    {
        ArgumentNullException.ThrowIfNull(plaintext);
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        TlsResult result = Error is not null ? TlsResult.Failed : _closedByPeer ? TlsResult.Closed : TlsResult.Ok;
        while (result == TlsResult.Ok && !ciphertext.IsEmpty)
        {
            if (_guard is null)
            {
                result = Feed(ciphertext, plaintext);
                break;
            }

            result = FeedGuarded(_guard, ref ciphertext, plaintext);
        }

        _closedByPeer |= result == TlsResult.Closed;
        EndCall();
        return result;
    }

    public sealed override TlsResult Send(ReadOnlySpan<byte> plaintext)
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        if (Error is not null || _closedByUs)
        {
            return Error is not null ? TlsResult.Failed : TlsResult.Closed;
        }

        if (!_isHandshakeComplete)
        {
            throw new InvalidOperationException("The TLS handshake is not complete.");
        }

        TlsResult result = plaintext.IsEmpty ? TlsResult.Ok : Encrypt(plaintext);
        EndCall();
        return result;
    }

    public sealed override void Shutdown()
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        if (_closedByUs)
        {
            return;
        }

        _closedByUs = true;
        if (_isHandshakeComplete && Error is null)
        {
            SendCloseNotify();
            EndCall();
        }
    }

    /// <summary>Gives bytes to the library and writes out the application data in them.</summary>
    protected abstract TlsResult Feed(ReadOnlySpan<byte> records, IBufferWriter<byte> plaintext);

    /// <summary>Encrypts something after the handshake.</summary>
    protected abstract TlsResult Encrypt(ReadOnlySpan<byte> plaintext);

    protected abstract void SendCloseNotify();

    /// <summary>Puts a record of our own behind the library's output.</summary>
    protected abstract void QueueRecord(ReadOnlySpan<byte> record);

    /// <summary>Runs at the end of every call that may have produced output.</summary>
    protected virtual void EndCall()
    {
    }

    /// <summary>Null if both keys are proven and the peer is accepted; otherwise why the connection must end.</summary>
    /// <param name="resumed">
    /// If a session was resumed, the certificate in it: the proof is the one of the first connection, so the certificate is
    /// the one shown then, and it goes through the same checks again. Null after a full handshake.
    /// </param>
    protected string? CompleteHandshake(byte[]? resumed)
    {
        if (resumed is not null)
        {
            if (PeerCertificateCheck.Check(resumed, _validator) is { } refusal)
            {
                return refusal.Reason;
            }

            _peerCertificate = resumed;
            _isResumed = true;
            Sessions?.CountResumption();
        }
        else if (_peerCertificate.Length == 0)
        {
            return "the peer has no certificate";
        }

        _isHandshakeComplete = true;
        return null;
    }

    protected TlsResult Fail(string error)
    {
        Error ??= error;
        if (!_isHandshakeComplete)
        {
            _peerCertificate = [];
            if (SessionKey is not null)
            {
                // If the session was the reason, the next attempt makes a full handshake.
                Sessions?.Remove(Role, SessionKey);
            }
        }

        return TlsResult.Failed;
    }

    private TlsResult FeedGuarded(
        HandshakeGuard guard, ref ReadOnlySpan<byte> ciphertext, IBufferWriter<byte> plaintext)
    {
        bool taken = guard.TryTake(ref ciphertext, out ReadOnlySpan<byte> records);
        _peerCertificate = guard.PeerCertificate;
        if (guard.Refusal is { } refusal)
        {
            if (guard.MayAlert)
            {
                QueueRecord(refusal.ToRecord());
            }

            return Fail(refusal.Reason);
        }

        if (guard.IsOpen)
        {
            _guard = null;
        }

        return taken ? Feed(records, plaintext) : TlsResult.Ok;
    }
}
