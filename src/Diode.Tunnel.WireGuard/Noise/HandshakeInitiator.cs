using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Diode.Tunnel.WireGuard.Crypto;
using Diode.Tunnel.WireGuard.Messages;

namespace Diode.Tunnel.WireGuard.Noise;

/// <summary>The initiator between its initiation and the response (WireGuard §5.4.2, §5.4.3). Used under the peer's lock.</summary>
internal sealed class HandshakeInitiator : IDisposable
{
    private readonly LocalIdentity _local;
    private readonly NoiseState _state;
    private readonly SecretBytes _ephemeral;

    private HandshakeInitiator(LocalIdentity local, NoiseState state, SecretBytes ephemeral, uint localIndex)
    {
        _local = local;
        _state = state;
        _ephemeral = ephemeral;
        LocalIndex = localIndex;
    }

    public uint LocalIndex { get; }

    /// <summary>Writes an initiation up to its MACs.</summary>
    /// <param name="local">This side.</param>
    /// <param name="remoteStatic">The responder's public key.</param>
    /// <param name="staticStatic">DH of the two static keys.</param>
    /// <param name="localIndex">Index under which the response will come.</param>
    /// <param name="unixNanoseconds">Timestamp, greater than that of every earlier initiation.</param>
    /// <param name="message">Receives the message.</param>
    /// <param name="initiator">Waits for the response.</param>
    public static bool TryCreate(
        LocalIdentity local,
        ReadOnlySpan<byte> remoteStatic,
        ReadOnlySpan<byte> staticStatic,
        uint localIndex,
        long unixNanoseconds,
        HandshakeInitiation message,
        [NotNullWhen(true)] out HandshakeInitiator? initiator)
    {
        Span<byte> shared = stackalloc byte[WireGuardConstants.KeyLength];
        Span<byte> key = stackalloc byte[WireGuardConstants.KeyLength];
        message.WriteHeader(localIndex);
        NoiseState state = NoiseState.Start(local.Aead, remoteStatic);

        SecretBytes ephemeral = local.GenerateEphemeral(message.Ephemeral);
        state.MixKey(message.Ephemeral);
        state.MixHash(message.Ephemeral);

        if (!local.TryAgree(ephemeral, remoteStatic, shared))
        {
            state.Dispose();
            ephemeral.Dispose();
            initiator = null;
            return false;
        }

        state.MixKey(shared, key);
        local.PublicKey.CopyTo(message.Static);
        state.Seal(key, message.Static);

        state.MixKey(staticStatic, key);
        Tai64N.Write(unixNanoseconds, message.Timestamp);
        state.Seal(key, message.Timestamp);

        CryptographicOperations.ZeroMemory(shared);
        CryptographicOperations.ZeroMemory(key);
        initiator = new HandshakeInitiator(local, state, ephemeral, localIndex);
        return true;
    }

    /// <summary>Checks a response. A false one changes nothing, so that the true one can still come.</summary>
    public bool TryConsume(HandshakeResponse message, ReadOnlySpan<byte> presharedKey, out TransportSecrets secrets)
    {
        Span<byte> shared = stackalloc byte[WireGuardConstants.KeyLength];
        Span<byte> key = stackalloc byte[WireGuardConstants.KeyLength];
        secrets = default;
        using NoiseState state = _state.Clone();

        state.MixKey(message.Ephemeral);
        state.MixHash(message.Ephemeral);
        bool ok = _local.TryAgree(_ephemeral, message.Ephemeral, shared);
        if (ok)
        {
            state.MixKey(shared);
            ok = _local.TryAgree(message.Ephemeral, shared);
        }

        if (ok)
        {
            state.MixKey(shared);
            state.MixPresharedKey(presharedKey, key);
            ok = state.TryOpen(key, message.Empty, []);
        }

        if (ok)
        {
            secrets = TransportSecrets.Derive(state, isInitiator: true, message.SenderIndex);
        }

        CryptographicOperations.ZeroMemory(shared);
        CryptographicOperations.ZeroMemory(key);
        return ok;
    }

    public void Dispose()
    {
        _state.Dispose();
        _ephemeral.Dispose();
    }
}
