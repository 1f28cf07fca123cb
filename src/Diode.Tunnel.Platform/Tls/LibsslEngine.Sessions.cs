using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Diode.Tunnel.Platform.Interop.Linux;

namespace Diode.Tunnel.Platform.Tls;

/// <summary>Resumption: sessions as bytes in a <see cref="TlsSessionCache"/>, which libssl asks by callback.</summary>
internal sealed unsafe partial class LibsslEngine
{
    /// <summary>Called by libssl when a client offers a session id. The result belongs to libssl; 0 if there is none.</summary>
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static nint FindSession(nint ssl, byte* id, int length, int* copy)
    {
        *copy = 0;
        try
        {
            return length is > 0 and <= 32
                && LibsslConnection.FindOwner(ssl) is LibsslEngine { Sessions: { } sessions } engine
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
        SessionPrefix + Convert.ToHexString(new ReadOnlySpan<byte>(id, length));

    private void OfferSession()
    {
        if (SessionKey is null || Sessions is null || !Sessions.TryGet(Role, SessionKey, out byte[]? state))
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

    private string? CompleteHandshake()
    {
        bool resumed = Libssl.SSL_session_reused(_ssl) == 1;
        string? refusal = CompleteHandshake(resumed ? Encode(Libssl.SSL_get0_peer_certificate(_ssl)) : null);
        if (refusal is null && !resumed)
        {
            StoreSession();
        }
        else if (refusal is not null)
        {
            ForgetSession();
        }

        return refusal;
    }

    /// <summary>Only after a full handshake: resuming again and again does not prolong a session's life.</summary>
    private void StoreSession()
    {
        nint session = Libssl.SSL_get_session(_ssl);
        if (Sessions is null
            || session == 0
            || Libssl.SSL_SESSION_is_resumable(session) != 1
            || GetKey(session) is not { } key)
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
                Sessions.Store(Role, key, state);
            }
        }

        CryptographicOperations.ZeroMemory(state);
    }

    private void ForgetSession()
    {
        if (GetKey(Libssl.SSL_get_session(_ssl)) is { } key)
        {
            Sessions?.Remove(Role, key);
        }
    }

    private string? GetKey(nint session)
    {
        if (Role == TlsRole.Client || session == 0)
        {
            return SessionKey;
        }

        uint length = 0;
        byte* id = Libssl.SSL_SESSION_get_id(session, &length);
        return length == 0 ? null : ServerKey(id, (int)length);
    }
}
