using Diode.Tunnel.Platform.Crypto;
using Diode.Tunnel.WireGuard.Crypto;

namespace Diode.Tunnel.Engine;

/// <summary>Gives the pure WireGuard core the fastest AEAD of this system (design §8).</summary>
internal sealed class PlatformAead : IAeadFactory
{
    /// <summary>The one instance: libcrypto where its self-test passes, else the core's own default.</summary>
    public static IAeadFactory Factory { get; } =
        ChaCha20Poly1305Key.IsSupported ? new PlatformAead() : AeadFactory.Default;

    /// <inheritdoc/>
    public IAeadKey Create(ReadOnlySpan<byte> key)
    {
        return new Key(ChaCha20Poly1305Key.Create(key));
    }

    private sealed class Key(ChaCha20Poly1305Key key) : IAeadKey
    {
        public void Seal(ulong counter, Span<byte> buffer, ReadOnlySpan<byte> associatedData)
        {
            key.Seal(counter, buffer, associatedData);
        }

        public bool Open(ulong counter, Span<byte> buffer, ReadOnlySpan<byte> associatedData)
        {
            return key.Open(counter, buffer, associatedData);
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
