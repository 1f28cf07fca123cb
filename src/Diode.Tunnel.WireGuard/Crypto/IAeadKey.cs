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

    /// <summary>
    /// Encrypts the messages of a train in place, each under the next counter. Message i begins at i × <paramref name="stride"/> and
    /// ends where the next begins; the last may be shorter.
    /// </summary>
    /// <param name="firstCounter">Nonce of the first.</param>
    /// <param name="train">The messages, one behind the other.</param>
    /// <param name="stride">Bytes from one message to the next.</param>
    /// <param name="skip">Bytes at the start of each message that are left alone: its header.</param>
    void SealTrain(ulong firstCounter, Span<byte> train, int stride, int skip)
    {
        for (int start = 0; start < train.Length; start += stride)
        {
            int end = Math.Min(start + stride, train.Length);
            Seal(firstCounter++, train[(start + skip)..end]);
        }
    }

    /// <summary>Decrypts the messages of a train in place, at most 64; laid out as in <see cref="SealTrain"/>.</summary>
    /// <param name="counters">The nonce of each message.</param>
    /// <param name="train">The messages, each longer than <paramref name="skip"/> by at least 16 bytes.</param>
    /// <param name="stride">Bytes from one message to the next.</param>
    /// <param name="skip">Bytes at the start of each message that are left alone.</param>
    /// <returns>Bit i is set if the tag of message i was right; the content of the others is undefined.</returns>
    ulong OpenTrain(ReadOnlySpan<ulong> counters, Span<byte> train, int stride, int skip)
    {
        ulong opened = 0;
        for (int i = 0; i < counters.Length; i++)
        {
            int start = i * stride;
            int end = Math.Min(start + stride, train.Length);
            opened |= Open(counters[i], train[(start + skip)..end]) ? 1UL << i : 0;
        }

        return opened;
    }
}
