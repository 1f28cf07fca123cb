using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Diode.Tunnel.WireGuard.Crypto;
using Diode.Tunnel.WireGuard.Messages;

namespace Diode.Tunnel.WireGuard.Noise;

/// <summary>
/// The responder while it works on one initiation (WireGuard §5.4.2, §5.4.3): learn who it is, authenticate, respond.
/// Lives inside one call; nothing is kept for the peer until the response is made.
/// </summary>
internal sealed class HandshakeResponder : IDisposable
{
    private readonly LocalIdentity _local;
    private readonly NoiseState _state;
    private readonly byte[] _remoteEphemeral;
    private readonly byte[] _remoteStatic;
    private readonly uint _remoteIndex;

    private HandshakeResponder(
        LocalIdentity local, NoiseState state, byte[] remoteEphemeral, byte[] remoteStatic, uint remoteIndex)
    {
        _local = local;
        _state = state;
        _remoteEphemeral = remoteEphemeral;
        _remoteStatic = remoteStatic;
        _remoteIndex = remoteIndex;
    }

    /// <summary>The static key the initiator claims; proven only by <see cref="TryAuthenticate"/>.</summary>
    public ReadOnlySpan<byte> RemoteStatic => _remoteStatic;

    /// <summary>Opens the static key field of an initiation.</summary>
    public static bool TryConsume(
        LocalIdentity local, HandshakeInitiation message, [NotNullWhen(true)] out HandshakeResponder? responder)
    {
        Span<byte> shared = stackalloc byte[WireGuardConstants.KeyLength];
        Span<byte> key = stackalloc byte[WireGuardConstants.KeyLength];
        byte[] remoteStatic = new byte[WireGuardConstants.KeyLength];
        NoiseState state = NoiseState.Start(local.Aead, local.PublicKey);

        state.MixKey(message.Ephemeral);
        state.MixHash(message.Ephemeral);
        bool ok = local.TryAgree(message.Ephemeral, shared);
        if (ok)
        {
            state.MixKey(shared, key);
            ok = state.TryOpen(key, message.Static, remoteStatic);
        }

        CryptographicOperations.ZeroMemory(shared);
        CryptographicOperations.ZeroMemory(key);
        if (!ok)
        {
            state.Dispose();
            responder = null;
            return false;
        }

        byte[] remoteEphemeral = message.Ephemeral.ToArray();
        responder = new HandshakeResponder(local, state, remoteEphemeral, remoteStatic, message.SenderIndex);
        return true;
    }

    /// <summary>Proves the initiator's static key and reads its timestamp (12 bytes).</summary>
    public bool TryAuthenticate(HandshakeInitiation message, ReadOnlySpan<byte> staticStatic, Span<byte> timestamp)
    {
        Span<byte> key = stackalloc byte[WireGuardConstants.KeyLength];
        _state.MixKey(staticStatic, key);
        bool ok = _state.TryOpen(key, message.Timestamp, timestamp);
        CryptographicOperations.ZeroMemory(key);
        return ok;
    }

    /// <summary>Writes the response up to its MACs and derives the transport keys.</summary>
    public bool TryRespond(
        ReadOnlySpan<byte> presharedKey, uint localIndex, HandshakeResponse message, out TransportSecrets secrets)
    {
        Span<byte> shared = stackalloc byte[WireGuardConstants.KeyLength];
        Span<byte> key = stackalloc byte[WireGuardConstants.KeyLength];
        secrets = default;
        message.WriteHeader(localIndex, _remoteIndex);

        using SecretBytes ephemeral = _local.GenerateEphemeral(message.Ephemeral);
        _state.MixKey(message.Ephemeral);
        _state.MixHash(message.Ephemeral);

        bool ok = _local.TryAgree(ephemeral, _remoteEphemeral, shared);
        if (ok)
        {
            _state.MixKey(shared);
            ok = _local.TryAgree(ephemeral, _remoteStatic, shared);
        }

        if (ok)
        {
            _state.MixKey(shared);
            _state.MixPresharedKey(presharedKey, key);
            _state.Seal(key, message.Empty);
            secrets = TransportSecrets.Derive(_state, isInitiator: false, _remoteIndex);
        }

        CryptographicOperations.ZeroMemory(shared);
        CryptographicOperations.ZeroMemory(key);
        return ok;
    }

    public void Dispose()
    {
        _state.Dispose();
    }
}
