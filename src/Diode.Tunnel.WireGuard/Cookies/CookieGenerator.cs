using Diode.Tunnel.WireGuard.Crypto;
using Diode.Tunnel.WireGuard.Messages;

namespace Diode.Tunnel.WireGuard.Cookies;

/// <summary>The sender's half of WireGuard §5.4.4 and §5.4.7, one per peer. Used under the peer's lock.</summary>
internal sealed class CookieGenerator
{
    private readonly IAeadFactory _aead;
    private readonly byte[] _mac1Key = new byte[Blake2s.HashLength];
    private readonly byte[] _cookieKey = new byte[Blake2s.HashLength];
    private readonly byte[] _lastMac1 = new byte[HandshakeMacs.MacLength];
    private readonly byte[] _cookie = new byte[CookieReply.CookieLength];
    private bool _awaitsReply;
    private bool _hasCookie;
    private long _cookieReceivedAt;

    public CookieGenerator(ReadOnlySpan<byte> remotePublicKey, IAeadFactory aead)
    {
        _aead = aead;
        Blake2s.Hash(CookieLabels.Mac1, remotePublicKey, _mac1Key);
        Blake2s.Hash(CookieLabels.Cookie, remotePublicKey, _cookieKey);
    }

    /// <summary>Fills both MACs of a handshake message that is otherwise complete.</summary>
    public void AddMacs(Span<byte> message, long now)
    {
        Blake2s.Mac(_mac1Key, HandshakeMacs.CoveredByMac1(message), HandshakeMacs.Mac1(message));
        HandshakeMacs.Mac1(message).CopyTo(_lastMac1);
        _awaitsReply = true;

        const long Usable = WireGuardConstants.CookieLifetime - WireGuardConstants.CookieLatency;
        if (_hasCookie && now - _cookieReceivedAt < Usable)
        {
            Blake2s.Mac(_cookie, HandshakeMacs.CoveredByMac2(message), HandshakeMacs.Mac2(message));
        }
        else
        {
            HandshakeMacs.Mac2(message).Clear();
        }
    }

    /// <summary>Takes the cookie of a reply to our last message; one reply per message.</summary>
    public bool TryAccept(CookieReply reply, long now)
    {
        if (!_awaitsReply)
        {
            return false;
        }

        Span<byte> buffer = stackalloc byte[CookieReply.CookieLength + WireGuardConstants.TagLength];
        reply.Cookie.CopyTo(buffer);
        if (!XChaCha20Poly1305.Open(_aead, _cookieKey, reply.Nonce, buffer, _lastMac1))
        {
            return false;
        }

        buffer[..CookieReply.CookieLength].CopyTo(_cookie);
        _hasCookie = true;
        _cookieReceivedAt = now;
        _awaitsReply = false;
        return true;
    }
}
