using Diode.Tunnel.WireGuard.Messages;

namespace Diode.Tunnel.WireGuard.Cookies;

/// <summary>The cheap checks a handshake message passes before any curve operation (WireGuard §5.3). Thread-safe.</summary>
internal sealed class HandshakeAdmission(ReadOnlySpan<byte> ownPublicKey, WireGuardOptions options, IWireGuardOutput output)
    : IDisposable
{
    private readonly CookieChecker _cookies = new(ownPublicKey, options.Aead, options.Random);
    private readonly HandshakeLoad _load = new(options.HandshakesPerSecond);
    private readonly HandshakeRateLimiter _rateLimiter = new();
    private volatile bool _forcedLoad;

    /// <summary>Set from outside: behave as under load whatever the rate is.</summary>
    public bool ForcedLoad
    {
        get => _forcedLoad;
        set => _forcedLoad = value;
    }

    /// <summary>Why the message is refused, if it is; a sender that lacks a cookie is sent one.</summary>
    public DropReason Admit(
        Span<byte> message, uint senderIndex, object? endpoint, ReadOnlySpan<byte> sourceAddress, long now)
    {
        if (!_cookies.IsMac1Valid(message))
        {
            return DropReason.InvalidMac1;
        }

        // Counted in any case, so that the state is right the moment the outer flag goes away.
        bool loaded = _load.Register(now) | _forcedLoad;
        if (!loaded)
        {
            return DropReason.None;
        }

        if (_cookies.IsMac2Valid(message, sourceAddress, now))
        {
            return _rateLimiter.TryTake(sourceAddress, now) ? DropReason.None : DropReason.RateLimited;
        }

        Span<byte> reply = stackalloc byte[CookieReply.Length];
        _cookies.WriteReply(message, senderIndex, sourceAddress, now, new CookieReply(reply));
        output.Send(null, endpoint, reply);
        return DropReason.CookieRequired;
    }

    public void Dispose()
    {
        _cookies.Dispose();
    }
}
