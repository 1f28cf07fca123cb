using Diode.Tunnel.Platform.Crypto;
using Diode.Tunnel.WireGuard.Crypto;

namespace Diode.Tunnel.Benchmarks;

/// <summary>One of the platform's ciphers behind the core's seam.</summary>
internal sealed class PlatformAeadFactory(PlatformAeadFactory.Maker make) : IAeadFactory
{
    /// <summary>Makes a key of an implementation.</summary>
    public delegate ChaCha20Poly1305Key Maker(ReadOnlySpan<byte> key);

    public IAeadKey Create(ReadOnlySpan<byte> key)
    {
        return new Key(make(key));
    }

    private sealed class Key(ChaCha20Poly1305Key key) : IAeadKey
    {
        public void Seal(ulong counter, Span<byte> plaintextThenTag, ReadOnlySpan<byte> associatedData = default)
        {
            key.Seal(counter, plaintextThenTag, associatedData);
        }

        public bool Open(ulong counter, Span<byte> ciphertextThenTag, ReadOnlySpan<byte> associatedData = default)
        {
            return key.Open(counter, ciphertextThenTag, associatedData);
        }

        public void SealTrain(ulong firstCounter, Span<byte> train, int stride, int skip)
        {
            key.SealTrain(firstCounter, train, stride, skip);
        }

        public ulong OpenTrain(ReadOnlySpan<ulong> counters, Span<byte> train, int stride, int skip)
        {
            return key.OpenTrain(counters, train, stride, skip);
        }

        public void Dispose()
        {
            key.Dispose();
        }
    }
}
