using Diode.Tunnel.WireGuard.Crypto;

namespace Diode.Tunnel.WireGuard.Noise;

/// <summary>What a finished handshake leaves: a key for each direction. The taker owns and erases them.</summary>
internal readonly record struct TransportSecrets(SecretBytes Send, SecretBytes Receive, uint RemoteIndex)
{
    public static TransportSecrets Derive(NoiseState state, bool isInitiator, uint remoteIndex)
    {
        SecretBytes first = new();
        SecretBytes second = new();
        state.Split(first.Span, second.Span);
        return isInitiator
            ? new TransportSecrets(first, second, remoteIndex)
            : new TransportSecrets(second, first, remoteIndex);
    }
}
