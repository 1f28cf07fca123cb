using System.Security.Cryptography;

namespace Diode.Tunnel.Platform.Crypto;

/// <summary>The class of .NET: about 1.5 times slower than kept libcrypto contexts, but present on Windows too.</summary>
internal sealed class DotNetChaCha20Poly1305Key : ChaCha20Poly1305Key
{
    private readonly ChaCha20Poly1305 _key;

    public DotNetChaCha20Poly1305Key(ReadOnlySpan<byte> key) => _key = new ChaCha20Poly1305(key);

    internal override void Seal(ReadOnlySpan<byte> nonce, Span<byte> buffer, ReadOnlySpan<byte> associatedData)
    {
        Span<byte> text = buffer[..^TagLength];
        _key.Encrypt(nonce, text, text, buffer[^TagLength..], associatedData);
    }

    internal override bool Open(ReadOnlySpan<byte> nonce, Span<byte> buffer, ReadOnlySpan<byte> associatedData)
    {
        Span<byte> text = buffer[..^TagLength];
        try
        {
            _key.Decrypt(nonce, text, buffer[^TagLength..], text, associatedData);
            return true;
        }
        catch (AuthenticationTagMismatchException)
        {
            return false;
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _key.Dispose();
        }
    }
}
