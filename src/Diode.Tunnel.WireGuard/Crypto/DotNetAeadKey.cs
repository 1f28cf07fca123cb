using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Diode.Tunnel.WireGuard.Crypto;

internal sealed class DotNetAeadKey : IAeadKey
{
    private const int NonceLength = 12;
    private readonly ChaCha20Poly1305 _key;

    public DotNetAeadKey(ReadOnlySpan<byte> key)
    {
        _key = new ChaCha20Poly1305(key);
    }

    public void Seal(ulong counter, Span<byte> plaintextThenTag, ReadOnlySpan<byte> associatedData = default)
    {
        Span<byte> nonce = stackalloc byte[NonceLength];
        nonce.Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(nonce[4..], counter);
        Span<byte> text = plaintextThenTag[..^WireGuardConstants.TagLength];
        _key.Encrypt(nonce, text, text, plaintextThenTag[text.Length..], associatedData);
    }

    public bool Open(ulong counter, Span<byte> ciphertextThenTag, ReadOnlySpan<byte> associatedData = default)
    {
        Span<byte> nonce = stackalloc byte[NonceLength];
        nonce.Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(nonce[4..], counter);
        Span<byte> text = ciphertextThenTag[..^WireGuardConstants.TagLength];
        try
        {
            _key.Decrypt(nonce, text, ciphertextThenTag[text.Length..], text, associatedData);
            return true;
        }
        catch (AuthenticationTagMismatchException)
        {
            // The class has no other way to say so.
            return false;
        }
    }

    public void Dispose()
    {
        _key.Dispose();
    }
}
