using System.Security.Cryptography;

namespace Diode.Tunnel.WireGuard.Crypto;

/// <summary>Key bytes that the collector never copies (pinned) and that are erased on dispose.</summary>
internal sealed class SecretBytes : IDisposable
{
    private readonly byte[] _bytes;

    public SecretBytes(int length = WireGuardConstants.KeyLength)
    {
        _bytes = GC.AllocateArray<byte>(length, pinned: true);
    }

    public SecretBytes(ReadOnlySpan<byte> source)
        : this(source.Length)
    {
        source.CopyTo(_bytes);
    }

    public Span<byte> Span => _bytes;

    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(_bytes);
    }
}
