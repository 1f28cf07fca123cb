using System.Security.Cryptography;
using Diode.Tunnel.WireGuard.Crypto;

namespace Diode.Tunnel.WireGuard.Noise;

/// <summary>This side's static key and the primitives its handshakes use. Thread-safe.</summary>
internal sealed class LocalIdentity : IDisposable
{
    private readonly SecretBytes _privateKey;
    private readonly byte[] _publicKey = new byte[WireGuardConstants.KeyLength];
    private readonly IX25519 _x25519;
    private readonly Action<Span<byte>> _random;

    public LocalIdentity(ReadOnlySpan<byte> privateKey, IX25519 x25519, IAeadFactory aead, Action<Span<byte>> random)
    {
        _x25519 = x25519;
        _random = random;
        Aead = aead;
        _privateKey = new SecretBytes(privateKey);
        X25519.Clamp(_privateKey.Span);
        _x25519.GetPublicKey(_privateKey.Span, _publicKey);
    }

    public IAeadFactory Aead { get; }

    public ReadOnlySpan<byte> PublicKey => _publicKey;

    /// <summary>Makes an ephemeral key pair.</summary>
    public SecretBytes GenerateEphemeral(Span<byte> publicKey)
    {
        SecretBytes privateKey = new();
        _random(privateKey.Span);
        X25519.Clamp(privateKey.Span);
        _x25519.GetPublicKey(privateKey.Span, publicKey);
        return privateKey;
    }

    /// <summary>DH of the static key. False for a low-order point, whose result is all zero (RFC 7748 §6.1).</summary>
    public bool TryAgree(ReadOnlySpan<byte> publicKey, Span<byte> sharedSecret)
    {
        return TryAgree(_privateKey, publicKey, sharedSecret);
    }

    /// <summary>DH of an ephemeral key. False for a low-order point.</summary>
    public bool TryAgree(SecretBytes privateKey, ReadOnlySpan<byte> publicKey, Span<byte> sharedSecret)
    {
        Span<byte> zero = stackalloc byte[WireGuardConstants.KeyLength];
        zero.Clear();
        _x25519.ScalarMult(privateKey.Span, publicKey, sharedSecret);
        return !CryptographicOperations.FixedTimeEquals(sharedSecret, zero);
    }

    public void Dispose()
    {
        _privateKey.Dispose();
    }
}
