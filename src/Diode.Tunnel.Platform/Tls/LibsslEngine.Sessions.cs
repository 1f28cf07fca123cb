using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Diode.Tunnel.Platform.Interop.Linux;

namespace Diode.Tunnel.Platform.Tls;

/// <summary>Resumption: sessions as bytes in a <see cref="TlsSessionCache"/>, which libssl asks by callback.</summary>
internal sealed unsafe partial class LibsslEngine
{
    private readonly TlsSessionCache? _sessions;
    private readonly string _sessionPrefix;
    private readonly string? _sessionKey;

    private bool _isResumed;

    public override bool IsResumed => _isResumed;

    /// <summary>Called by libssl when a client offers a session id. The result belongs to libssl; 0 if there is none.</summary>
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static nint FindSession(nint ssl, byte* id, int length, int* copy)
    {
        *copy = 0;
        try
        {
            return length is > 0 and <= 32
                && LibsslConnection.FindOwner(ssl) is LibsslEngine { _sessions: { } sessions } engine
                && sessions.TryGet(TlsRole.Server, engine.ServerKey(id, length), out byte[]? state)
                    ? Decode(state)
                    : 0;
        }
        catch (Exception)
        {
            // No exception may unwind through native frames: then it is a full handshake.
            return 0;
        }
    }

    /// <summary>Zeroes the bytes, which hold the master secret.</summary>
    private static nint Decode(byte[] state)
    {
        fixed (byte* start = state)
        {
            byte* position = start;
            nint session = Libssl.d2i_SSL_SESSION(null, &position, state.Length);
            CryptographicOperations.ZeroMemory(state);
            return session;
        }
    }

    private string ServerKey(byte* id, int length) =>
        _sessionPrefix + Convert.ToHexString(new ReadOnlySpan<byte>(id, length));

    private void OfferSession()
    {
        if (_sessions is null || !_sessions.TryGet(Role, _sessionKey!, out byte[]? state))
        {
            return;
        }

        nint session = Decode(state);
        if (session != 0)
        {
            // A session the library will not take is simply not offered.
            _ = Libssl.SSL_set_session(_ssl, session);
            Libssl.SSL_SESSION_free(session);
        }
    }

    /// <summary>Null if both keys are proven and the peer is accepted, otherwise the reason of the refusal.</summary>
    private string? CompleteHandshake()
    {
        if (Libssl.SSL_session_reused(_ssl) == 1)
        {
            // The proof is the one of the first connection, so the certificate is the one shown then.
            if (CheckPeerCertificate(Libssl.SSL_get0_peer_certificate(_ssl)) is { } refusal)
            {
                ForgetSession();
                return refusal;
            }

            _isResumed = true;
            _sessions?.CountResumption();
        }
        else if (_peerCertificate.Length == 0)
        {
            return "the peer has no certificate";
        }
        else
        {
            StoreSession();
        }

        _isHandshakeComplete = true;
        return null;
    }

    /// <summary>Only after a full handshake: resuming again and again does not prolong a session's life.</summary>
    private void StoreSession()
    {
        nint session = Libssl.SSL_get_session(_ssl);
        if (_sessions is null || session == 0 || Libssl.SSL_SESSION_is_resumable(session) != 1 || GetKey(session) is not { } key)
        {
            return;
        }

        int length = Libssl.i2d_SSL_SESSION(session, null);
        if (length <= 0)
        {
            return;
        }

        byte[] state = GC.AllocateUninitializedArray<byte>(length, pinned: true);
        fixed (byte* start = state)
        {
            byte* position = start;
            if (Libssl.i2d_SSL_SESSION(session, &position) == length)
            {
                _sessions.Store(Role, key, state);
            }
        }

        CryptographicOperations.ZeroMemory(state);
    }

    private void ForgetSession()
    {
        if (GetKey(Libssl.SSL_get_session(_ssl)) is { } key)
        {
            _sessions?.Remove(Role, key);
        }
    }

    private string? GetKey(nint session)
    {
        if (Role == TlsRole.Client || session == 0)
        {
            return _sessionKey;
        }

        uint length = 0;
        byte* id = Libssl.SSL_SESSION_get_id(session, &length);
        return length == 0 ? null : ServerKey(id, (int)length);
    }
}
