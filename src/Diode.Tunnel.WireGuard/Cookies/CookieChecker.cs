using System.Security.Cryptography;
using Diode.Tunnel.WireGuard.Crypto;
using Diode.Tunnel.WireGuard.Messages;

namespace Diode.Tunnel.WireGuard.Cookies;

/// <summary>The receiver's half of WireGuard §5.3 and §5.4.4: checks mac1 and mac2, hands out cookies. Thread-safe.</summary>
internal sealed class CookieChecker : IDisposable
{
    private readonly Lock _gate = new();
    private readonly IAeadFactory _aead;
    private readonly Action<Span<byte>> _random;
    private readonly byte[] _mac1Key = new byte[Blake2s.HashLength];
    private readonly byte[] _cookieKey = new byte[Blake2s.HashLength];
    private readonly SecretBytes _secret = new();
    private long _secretMadeAt = long.MinValue;

    public CookieChecker(ReadOnlySpan<byte> ownPublicKey, IAeadFactory aead, Action<Span<byte>> random)
    {
        _aead = aead;
        _random = random;
        Blake2s.Hash(CookieLabels.Mac1, ownPublicKey, _mac1Key);
        Blake2s.Hash(CookieLabels.Cookie, ownPublicKey, _cookieKey);
    }

    /// <summary>True if the sender knows our public key.</summary>
    public bool IsMac1Valid(Span<byte> message)
    {
        Span<byte> expected = stackalloc byte[HandshakeMacs.MacLength];
        Blake2s.Mac(_mac1Key, HandshakeMacs.CoveredByMac1(message), expected);
        return CryptographicOperations.FixedTimeEquals(expected, HandshakeMacs.Mac1(message));
    }

    /// <summary>True if the sender received a cookie of ours at this address.</summary>
    public bool IsMac2Valid(Span<byte> message, ReadOnlySpan<byte> sourceAddress, long now)
    {
        Span<byte> cookie = stackalloc byte[CookieReply.CookieLength];
        Span<byte> expected = stackalloc byte[HandshakeMacs.MacLength];
        MakeCookie(sourceAddress, now, cookie);
        Blake2s.Mac(cookie, HandshakeMacs.CoveredByMac2(message), expected);
        return CryptographicOperations.FixedTimeEquals(expected, HandshakeMacs.Mac2(message));
    }

    /// <summary>Writes the cookie reply to a handshake message whose mac1 is valid.</summary>
    public void WriteReply(
        Span<byte> message, uint senderIndex, ReadOnlySpan<byte> sourceAddress, long now, CookieReply reply)
    {
        reply.WriteHeader(senderIndex);
        _random(reply.Nonce);
        MakeCookie(sourceAddress, now, reply.Cookie);
        XChaCha20Poly1305.Seal(_aead, _cookieKey, reply.Nonce, reply.Cookie, HandshakeMacs.Mac1(message));
    }

    public void Dispose()
    {
        _secret.Dispose();
    }

    private void MakeCookie(ReadOnlySpan<byte> sourceAddress, long now, Span<byte> cookie)
    {
        Span<byte> secret = stackalloc byte[WireGuardConstants.KeyLength];
        lock (_gate)
        {
            if (_secretMadeAt == long.MinValue || now - _secretMadeAt >= WireGuardConstants.CookieLifetime)
            {
                _random(_secret.Span);
                _secretMadeAt = now;
            }

            _secret.Span.CopyTo(secret);
        }

        Blake2s.Mac(secret, sourceAddress, cookie);
        CryptographicOperations.ZeroMemory(secret);
    }
}
