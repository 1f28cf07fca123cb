using System.Security.Cryptography;
using Org.BouncyCastle.Crypto.Digests;

namespace Diode.Tunnel.WireGuard.Crypto;

/// <summary>BLAKE2s (RFC 7693) in the three forms WireGuard §5.4 uses: Hash, Mac (keyed, 16 bytes) and Hmac.</summary>
internal static class Blake2s
{
    public const int HashLength = 32;
    public const int MacLength = 16;
    private const int BlockLength = 64;

    /// <summary>Hash(first ‖ second).</summary>
    public static void Hash(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, Span<byte> hash)
    {
        Blake2sDigest digest = new(HashLength * 8);
        Update(digest, first);
        Update(digest, second);
        Finish(digest, hash[..HashLength]);
    }

    /// <summary>Mac(key, data): BLAKE2s with a key of up to 32 bytes and an output of 16.</summary>
    public static void Mac(ReadOnlySpan<byte> key, ReadOnlySpan<byte> data, Span<byte> mac)
    {
        byte[] keyCopy = key.ToArray();
        Blake2sDigest digest = new(keyCopy, MacLength, null, null);
        Update(digest, data);
        Finish(digest, mac[..MacLength]);
        digest.ClearKey();
        CryptographicOperations.ZeroMemory(keyCopy);
    }

    /// <summary>Hmac(key, first ‖ second) with unkeyed BLAKE2s (RFC 2104); the key is at most one block.</summary>
    public static void Hmac(ReadOnlySpan<byte> key, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, Span<byte> mac)
    {
        Span<byte> pad = stackalloc byte[BlockLength];
        Span<byte> inner = stackalloc byte[HashLength];
        Blake2sDigest digest = new(HashLength * 8);

        FillPad(key, 0x36, pad);
        Update(digest, pad);
        Update(digest, first);
        Update(digest, second);
        Finish(digest, inner);

        FillPad(key, 0x5c, pad);
        Update(digest, pad);
        Update(digest, inner);
        Finish(digest, mac[..HashLength]);

        CryptographicOperations.ZeroMemory(pad);
        CryptographicOperations.ZeroMemory(inner);
    }

    private static void FillPad(ReadOnlySpan<byte> key, byte value, Span<byte> pad)
    {
        pad.Fill(value);
        for (int i = 0; i < key.Length; i++)
        {
            pad[i] ^= key[i];
        }
    }

    private static void Update(Blake2sDigest digest, ReadOnlySpan<byte> data)
    {
        if (data.IsEmpty)
        {
            return;
        }

        byte[] copy = data.ToArray();
        digest.BlockUpdate(copy, 0, copy.Length);
        CryptographicOperations.ZeroMemory(copy);
    }

    private static void Finish(Blake2sDigest digest, Span<byte> output)
    {
        byte[] result = new byte[output.Length];
        digest.DoFinal(result, 0);
        result.CopyTo(output);
        CryptographicOperations.ZeroMemory(result);
    }
}
