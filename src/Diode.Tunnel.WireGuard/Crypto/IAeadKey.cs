namespace Diode.Tunnel.WireGuard.Crypto;

/// <summary>One ChaCha20-Poly1305 key (RFC 8439) under WireGuard's nonce: four zero bytes, then the counter little-endian.</summary>
/// <remarks>Need not be thread-safe: the core never uses one instance from two threads at once. Dispose erases the key.</remarks>
public interface IAeadKey : IDisposable
{
    /// <summary>Encrypts in place; the last 16 bytes of the buffer receive the tag.</summary>
    void Seal(ulong counter, Span<byte> plaintextThenTag, ReadOnlySpan<byte> associatedData = default);

    /// <summary>Decrypts in place. False if the tag is wrong; the buffer's content is then undefined. Never throws for its content.</summary>
    /// <param name="counter">The nonce.</param>
    /// <param name="ciphertextThenTag">At least 16 bytes.</param>
    /// <param name="associatedData">Authenticated with the ciphertext.</param>
    bool Open(ulong counter, Span<byte> ciphertextThenTag, ReadOnlySpan<byte> associatedData = default);
}
