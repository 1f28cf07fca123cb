using System.Security.Cryptography;
using Diode.Tunnel.WireGuard.Crypto;
using Diode.Tunnel.WireGuard.Messages;

namespace Diode.Tunnel.WireGuard.Noise;

/// <summary>Chaining key and transcript hash of one handshake (C and H of WireGuard §5.4). Not thread-safe.</summary>
internal sealed class NoiseState : IDisposable
{
    private const int Length = 32;
    private static readonly byte[] InitialChainKey = HashOf("Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"u8, []);
    private static readonly byte[] InitialHash = HashOf(InitialChainKey, "WireGuard v1 zx2c4 Jason@zx2c4.com"u8);

    private readonly IAeadFactory _aead;
    private readonly SecretBytes _secrets = new(2 * Length);

    private NoiseState(IAeadFactory aead)
    {
        _aead = aead;
    }

    private Span<byte> ChainKey => _secrets.Span[..Length];

    private Span<byte> Hash => _secrets.Span[Length..];

    /// <summary>State before the first message to the owner of a static key.</summary>
    public static NoiseState Start(IAeadFactory aead, ReadOnlySpan<byte> responderStatic)
    {
        NoiseState state = new(aead);
        InitialChainKey.CopyTo(state.ChainKey);
        InitialHash.CopyTo(state.Hash);
        state.MixHash(responderStatic);
        return state;
    }

    /// <summary>A copy, so that a forged message can be tried without losing the original.</summary>
    public NoiseState Clone()
    {
        NoiseState copy = new(_aead);
        _secrets.Span.CopyTo(copy._secrets.Span);
        return copy;
    }

    public void MixHash(ReadOnlySpan<byte> data)
    {
        Blake2s.Hash(Hash, data, Hash);
    }

    /// <summary>C = Kdf1(C, input).</summary>
    public void MixKey(ReadOnlySpan<byte> input)
    {
        Kdf(input, ChainKey, [], []);
    }

    /// <summary>(C, key) = Kdf2(C, input).</summary>
    public void MixKey(ReadOnlySpan<byte> input, Span<byte> key)
    {
        Kdf(input, ChainKey, key, []);
    }

    /// <summary>(C, τ, key) = Kdf3(C, psk); H = Hash(H ‖ τ).</summary>
    public void MixPresharedKey(ReadOnlySpan<byte> presharedKey, Span<byte> key)
    {
        Span<byte> temporary = stackalloc byte[Length];
        Kdf(presharedKey, ChainKey, temporary, key);
        MixHash(temporary);
        CryptographicOperations.ZeroMemory(temporary);
    }

    /// <summary>Seals in place under the transcript and mixes the ciphertext in.</summary>
    public void Seal(ReadOnlySpan<byte> key, Span<byte> plaintextThenTag)
    {
        using IAeadKey aead = _aead.Create(key);
        aead.Seal(0, plaintextThenTag, Hash);
        MixHash(plaintextThenTag);
    }

    /// <summary>Opens a field into a destination 16 bytes shorter; the message itself stays as it came.</summary>
    public bool TryOpen(ReadOnlySpan<byte> key, ReadOnlySpan<byte> ciphertextThenTag, Span<byte> plaintext)
    {
        Span<byte> buffer = stackalloc byte[HandshakeInitiation.Length];
        buffer = buffer[..ciphertextThenTag.Length];
        ciphertextThenTag.CopyTo(buffer);
        using IAeadKey aead = _aead.Create(key);
        if (!aead.Open(0, buffer, Hash))
        {
            return false;
        }

        buffer[..plaintext.Length].CopyTo(plaintext);
        CryptographicOperations.ZeroMemory(buffer);
        MixHash(ciphertextThenTag);
        return true;
    }

    /// <summary>(first, second) = Kdf2(C, ε): the transport keys, the initiator's sending key first.</summary>
    public void Split(Span<byte> first, Span<byte> second)
    {
        Kdf([], first, second, []);
    }

    public void Dispose()
    {
        _secrets.Dispose();
    }

    private void Kdf(ReadOnlySpan<byte> input, Span<byte> first, Span<byte> second, Span<byte> third)
    {
        Span<byte> secret = stackalloc byte[Length];
        Span<byte> output = stackalloc byte[Length];
        Blake2s.Hmac(ChainKey, input, [], secret);
        Blake2s.Hmac(secret, [1], [], output);
        output.CopyTo(first);
        if (!second.IsEmpty)
        {
            Blake2s.Hmac(secret, output, [2], output);
            output.CopyTo(second);
        }

        if (!third.IsEmpty)
        {
            Blake2s.Hmac(secret, output, [3], output);
            output.CopyTo(third);
        }

        CryptographicOperations.ZeroMemory(secret);
        CryptographicOperations.ZeroMemory(output);
    }

    private static byte[] HashOf(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second)
    {
        byte[] hash = new byte[Length];
        Blake2s.Hash(first, second, hash);
        return hash;
    }
}
