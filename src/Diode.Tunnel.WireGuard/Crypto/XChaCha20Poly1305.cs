using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Diode.Tunnel.WireGuard.Crypto;

/// <summary>XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03 §2.3), the AEAD of cookie replies.</summary>
/// <remarks>After HChaCha20 the rest of the nonce is four zero bytes and eight of ours: exactly the form of <see cref="IAeadKey"/>.</remarks>
internal static class XChaCha20Poly1305
{
    public const int NonceLength = 24;

    public static void Seal(
        IAeadFactory aead,
        ReadOnlySpan<byte> key,
        ReadOnlySpan<byte> nonce,
        Span<byte> plaintextThenTag,
        ReadOnlySpan<byte> associatedData)
    {
        using IAeadKey subkey = Subkey(aead, key, nonce);
        subkey.Seal(Counter(nonce), plaintextThenTag, associatedData);
    }

    public static bool Open(
        IAeadFactory aead,
        ReadOnlySpan<byte> key,
        ReadOnlySpan<byte> nonce,
        Span<byte> ciphertextThenTag,
        ReadOnlySpan<byte> associatedData)
    {
        using IAeadKey subkey = Subkey(aead, key, nonce);
        return subkey.Open(Counter(nonce), ciphertextThenTag, associatedData);
    }

    private static IAeadKey Subkey(IAeadFactory aead, ReadOnlySpan<byte> key, ReadOnlySpan<byte> nonce)
    {
        Span<byte> subkey = stackalloc byte[WireGuardConstants.KeyLength];
        HChaCha20.DeriveKey(key, nonce, subkey);
        IAeadKey result = aead.Create(subkey);
        CryptographicOperations.ZeroMemory(subkey);
        return result;
    }

    private static ulong Counter(ReadOnlySpan<byte> nonce)
    {
        return BinaryPrimitives.ReadUInt64LittleEndian(nonce[HChaCha20.NonceLength..]);
    }
}
