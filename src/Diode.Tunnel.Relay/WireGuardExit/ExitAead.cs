using Diode.Tunnel.Platform.Crypto;
using Diode.Tunnel.WireGuard.Crypto;

namespace Diode.Tunnel.Relay.WireGuardExit;

/// <summary>Gives the pure WireGuard core the fastest cipher of this system.</summary>
internal sealed class ExitAead : IAeadFactory
{
    /// <summary>The system's where its self-test passes, else the core's own.</summary>
    public static IAeadFactory Factory { get; } =
        ChaCha20Poly1305Key.IsSupported ? new ExitAead() : AeadFactory.Default;

    /// <inheritdoc/>
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
