using Diode.Tunnel.Platform.Crypto;
using Diode.Tunnel.WireGuard.Crypto;

namespace Diode.Tunnel.WireGuardTool;

/// <summary>The operating system's ChaCha20-Poly1305 for the pure core.</summary>
internal sealed class PlatformAead : IAeadFactory
{
    public IAeadKey Create(ReadOnlySpan<byte> key) => new Key(ChaCha20Poly1305Key.Create(key));

    private sealed class Key(ChaCha20Poly1305Key key) : IAeadKey
    {
        public void Seal(ulong counter, Span<byte> plaintextThenTag, ReadOnlySpan<byte> associatedData) =>
            key.Seal(counter, plaintextThenTag, associatedData);

        public bool Open(ulong counter, Span<byte> ciphertextThenTag, ReadOnlySpan<byte> associatedData) =>
            key.Open(counter, ciphertextThenTag, associatedData);

        public void SealTrain(ulong firstCounter, Span<byte> train, int stride, int skip)
        {
            key.SealTrain(firstCounter, train, stride, skip);
        }

        public ulong OpenTrain(ReadOnlySpan<ulong> counters, Span<byte> train, int stride, int skip)
        {
            return key.OpenTrain(counters, train, stride, skip);
        }

        public void Dispose() => key.Dispose();
    }
}
