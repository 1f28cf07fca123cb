using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Diode.Tunnel.Platform.Crypto;

/// <summary>
/// One ChaCha20-Poly1305 key (RFC 8439) that works in place, with WireGuard's nonce: four zero bytes and the counter,
/// little-endian.
/// </summary>
/// <remarks>
/// One thread may seal while another one opens. Two seals, or two opens, at the same time are a bug of the caller.
/// Dispose only when nobody is inside. No call allocates.
/// </remarks>
public abstract class ChaCha20Poly1305Key : IDisposable
{
    /// <summary>Length of a key in bytes.</summary>
    public const int KeyLength = 32;

    /// <summary>Length of the tag behind every ciphertext in bytes.</summary>
    public const int TagLength = 16;

    /// <summary>Length of a nonce in bytes.</summary>
    internal const int NonceLength = 12;

    // A way back for a machine on which the vectors turn out to be trouble.
    private static readonly bool VectorsAllowed = Environment.GetEnvironmentVariable("DIODE_TUNNEL_CIPHER") != "system";

    private protected ChaCha20Poly1305Key()
    {
    }

    /// <summary>True if <see cref="Create"/> works: libcrypto passed its self-test, or .NET has the cipher.</summary>
    public static bool IsSupported => LibcryptoChaCha20Poly1305Key.IsSupported || ChaCha20Poly1305.IsSupported;

    /// <summary>Does now what the first train would begin: self-tests, and compiling what they run. May take 0.1 s.</summary>
    public static void Prepare()
    {
        _ = IsSupported && VectorsAllowed && VectorChaCha20Poly1305Key.IsSupported;
    }

    /// <summary>Creates a key with the fastest implementation of this machine.</summary>
    /// <param name="key">32 bytes; copied, the caller may clear its own.</param>
    /// <exception cref="PlatformNotSupportedException">See <see cref="IsSupported"/>.</exception>
    public static ChaCha20Poly1305Key Create(ReadOnlySpan<byte> key)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(key.Length, KeyLength, nameof(key));
        return VectorsAllowed && VectorChaCha20Poly1305Key.IsPossible ? new VectorChaCha20Poly1305Key(key) : CreateOther(key);
    }

    /// <summary>The fastest of the system's implementations.</summary>
    internal static ChaCha20Poly1305Key CreateOther(ReadOnlySpan<byte> key)
    {
        return LibcryptoChaCha20Poly1305Key.IsSupported
            ? new LibcryptoChaCha20Poly1305Key(key)
            : new DotNetChaCha20Poly1305Key(key);
    }

    /// <summary>Encrypts in place.</summary>
    /// <param name="counter">Never twice under one key.</param>
    /// <param name="buffer">Plaintext followed by 16 bytes of room; becomes ciphertext and tag.</param>
    /// <param name="associatedData">Authenticated only; empty in WireGuard transport packets.</param>
    public void Seal(ulong counter, Span<byte> buffer, ReadOnlySpan<byte> associatedData = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(buffer.Length, TagLength, nameof(buffer));
        Span<byte> nonce = stackalloc byte[NonceLength];
        WriteNonce(counter, nonce);
        Seal(nonce, buffer, associatedData);
    }

    /// <summary>Verifies and decrypts in place.</summary>
    /// <param name="counter">The counter it was sealed with.</param>
    /// <param name="buffer">Ciphertext and tag; becomes plaintext followed by the tag, or zeros if false is returned.</param>
    /// <param name="associatedData">As given when sealed.</param>
    /// <returns>False if anything was changed, or if the buffer is shorter than a tag.</returns>
    public bool Open(ulong counter, Span<byte> buffer, ReadOnlySpan<byte> associatedData = default)
    {
        if (buffer.Length < TagLength)
        {
            return false;
        }

        Span<byte> nonce = stackalloc byte[NonceLength];
        WriteNonce(counter, nonce);
        if (Open(nonce, buffer, associatedData))
        {
            return true;
        }

        CryptographicOperations.ZeroMemory(buffer);
        return false;
    }

    /// <summary>
    /// Encrypts the messages of a train in place, each under the next counter and without associated data. Message i begins at
    /// i × <paramref name="stride"/> and ends where the next begins; the last may be shorter.
    /// </summary>
    /// <param name="firstCounter">Never twice under one key, nor any of those that follow.</param>
    /// <param name="train">The messages, one behind the other, each with 16 bytes of room at its end.</param>
    /// <param name="stride">Bytes from one message to the next.</param>
    /// <param name="skip">Bytes at the start of each message that are left alone.</param>
    public virtual void SealTrain(ulong firstCounter, Span<byte> train, int stride, int skip)
    {
        for (int start = 0; start < train.Length; start += stride)
        {
            int end = Math.Min(start + stride, train.Length);
            Seal(firstCounter++, train[(start + skip)..end]);
        }
    }

    /// <summary>Verifies and decrypts the messages of a train in place, laid out as in <see cref="SealTrain"/>.</summary>
    /// <param name="counters">The counter of each message, at most 64.</param>
    /// <param name="train">The messages; what does not verify is left undefined.</param>
    /// <param name="stride">Bytes from one message to the next.</param>
    /// <param name="skip">Bytes at the start of each message that are left alone.</param>
    /// <returns>Bit i is set if message i was verified.</returns>
    public virtual ulong OpenTrain(ReadOnlySpan<ulong> counters, Span<byte> train, int stride, int skip)
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

    /// <summary>Zeroes the key.</summary>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    internal abstract void Seal(ReadOnlySpan<byte> nonce, Span<byte> buffer, ReadOnlySpan<byte> associatedData);

    internal abstract bool Open(ReadOnlySpan<byte> nonce, Span<byte> buffer, ReadOnlySpan<byte> associatedData);

    /// <summary>Frees what the key holds.</summary>
    protected abstract void Dispose(bool disposing);

    // WireGuard §5.4.6: nonce = 32 bits of zeros ‖ 64-bit little-endian counter.
    private static void WriteNonce(ulong counter, Span<byte> nonce)
    {
        nonce[..4].Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(nonce[4..], counter);
    }
}
