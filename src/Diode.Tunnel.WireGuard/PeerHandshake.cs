using System.Diagnostics.CodeAnalysis;
using Diode.Tunnel.WireGuard.Cookies;
using Diode.Tunnel.WireGuard.Crypto;
using Diode.Tunnel.WireGuard.Messages;
using Diode.Tunnel.WireGuard.Noise;
using Diode.Tunnel.WireGuard.Transport;

namespace Diode.Tunnel.WireGuard;

/// <summary>
/// A peer's handshakes in both roles: our initiation under way, replay and flood protection of the peer's, cookies.
/// Used under the peer's lock, except for <see cref="IsThrottled"/>.
/// </summary>
/// <remarks>
/// The roles do not disturb each other: answering an initiation leaves our own under way, so that two ends that begin at
/// the same moment both succeed at once.
/// </remarks>
internal sealed class PeerHandshake : IDisposable
{
    /// <summary>Long ago, with room to subtract it from any time.</summary>
    private const long Never = long.MinValue / 2;

    private readonly InterfaceContext _context;
    private readonly PeerSession _session;
    private readonly byte[] _remoteStatic;
    private readonly SecretBytes _staticStatic;
    private readonly SecretBytes _presharedKey;
    private readonly CookieGenerator _cookies;
    private readonly byte[] _latestTimestamp = new byte[Tai64N.Length];
    private HandshakeInitiator? _initiator;
    private ReceiverSlot? _initiatorSlot;
    private long _lastInitiationReceived = Never;
    private long _lastSent = Never;

    public PeerHandshake(
        InterfaceContext context,
        PeerSession session,
        ReadOnlySpan<byte> remoteStatic,
        SecretBytes staticStatic,
        ReadOnlySpan<byte> presharedKey)
    {
        _context = context;
        _session = session;
        _remoteStatic = remoteStatic.ToArray();
        _staticStatic = staticStatic;
        _presharedKey = new SecretBytes();
        presharedKey.CopyTo(_presharedKey.Span);
        _cookies = new CookieGenerator(remoteStatic, context.Identity.Aead);
    }

    /// <summary>When another initiation may be sent.</summary>
    public long NextAllowedAt => Volatile.Read(ref _lastSent) + WireGuardConstants.RekeyTimeout;

    /// <summary>True within five seconds of the last handshake message sent.</summary>
    public bool IsThrottled(long now)
    {
        return now < NextAllowedAt;
    }

    /// <summary>Writes an initiation that replaces one under way.</summary>
    public bool TryInitiate(Span<byte> message, long now)
    {
        Abandon();
        ReceiverSlot slot = _context.Indices.Allocate(_session);
        bool ok = HandshakeInitiator.TryCreate(
            _context.Identity,
            _remoteStatic,
            _staticStatic.Span,
            slot.Index,
            _context.NextTimestamp(),
            new HandshakeInitiation(message),
            out _initiator);
        if (!ok)
        {
            _context.Indices.Free(slot.Index);
            return false;
        }

        _initiatorSlot = slot;
        _cookies.AddMacs(message, now);
        Volatile.Write(ref _lastSent, now);
        return true;
    }

    /// <summary>Takes the response to the initiation under way.</summary>
    public bool TryConsumeResponse(HandshakeResponse message, long now, [NotNullWhen(true)] out Keypair? keypair)
    {
        keypair = null;
        if (_initiator is null
            || _initiator.LocalIndex != message.ReceiverIndex
            || !_initiator.TryConsume(message, _presharedKey.Span, out TransportSecrets secrets))
        {
            return false;
        }

        // From here on the index belongs to the keypair.
        ReceiverSlot slot = _initiatorSlot!;
        _initiatorSlot = null;
        Abandon();
        keypair = MakeKeypair(secrets, slot, isInitiator: true, now);
        return true;
    }

    /// <summary>Answers an initiation that was opened as far as its static key, this peer's.</summary>
    public DropReason TryRespond(
        HandshakeResponder responder, HandshakeInitiation initiation, Span<byte> response, long now, out Keypair? keypair)
    {
        keypair = null;
        Span<byte> timestamp = stackalloc byte[Tai64N.Length];
        if (!responder.TryAuthenticate(initiation, _staticStatic.Span, timestamp))
        {
            return DropReason.HandshakeFailed;
        }

        if (timestamp.SequenceCompareTo(_latestTimestamp) <= 0)
        {
            return DropReason.ReplayedInitiation;
        }

        if (now - _lastInitiationReceived < WireGuardConstants.InitiationInterval)
        {
            return DropReason.InitiationFlood;
        }

        timestamp.CopyTo(_latestTimestamp);
        _lastInitiationReceived = now;

        ReceiverSlot slot = _context.Indices.Allocate(_session);
        HandshakeResponse message = new(response);
        if (!responder.TryRespond(_presharedKey.Span, slot.Index, message, out TransportSecrets secrets))
        {
            _context.Indices.Free(slot.Index);
            return DropReason.HandshakeFailed;
        }

        _cookies.AddMacs(response, now);
        Volatile.Write(ref _lastSent, now);
        keypair = MakeKeypair(secrets, slot, isInitiator: false, now);
        return DropReason.None;
    }

    public bool TryAcceptCookie(CookieReply reply, long now)
    {
        return _cookies.TryAccept(reply, now);
    }

    /// <summary>Forgets the initiation under way.</summary>
    public void Abandon()
    {
        _initiator?.Dispose();
        _initiator = null;
        if (_initiatorSlot is not null)
        {
            _context.Indices.Free(_initiatorSlot.Index);
            _initiatorSlot = null;
        }
    }

    public void Dispose()
    {
        Abandon();
        _staticStatic.Dispose();
        _presharedKey.Dispose();
    }

    private Keypair MakeKeypair(in TransportSecrets secrets, ReceiverSlot slot, bool isInitiator, long now)
    {
        Keypair keypair = new(
            _context.Identity.Aead, secrets, slot.Index, isInitiator, now, _context.Options.AeadContextsPerDirection);
        slot.Keypair = keypair;
        return keypair;
    }
}
