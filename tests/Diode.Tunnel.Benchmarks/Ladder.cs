using Diode.Tunnel.Platform.Crypto;
using Diode.Tunnel.WireGuard.Crypto;

namespace Diode.Tunnel.Benchmarks;

/// <summary>The rungs from the inside out; each contains the one before: cipher ≤ session ≤ pipeline ≤ tunnel.</summary>
internal static class Ladder
{
    /// <summary>A packet of the usual tunnel MTU.</summary>
    public const int PacketLength = 1420;

    public static IEnumerable<IRung> All()
    {
        foreach ((string name, IAeadFactory aead) in Aeads())
        {
            yield return new CipherRung(name, aead);
        }

        foreach ((string name, IAeadFactory aead) in Aeads())
        {
            yield return new SessionRung(name, aead);
        }

        foreach ((string name, IAeadFactory aead) in Aeads())
        {
            yield return new PipelineRung(name, aead);
        }

        // tunnel: two daemons with real adapters; measured from outside by scripts/bench.sh.
    }

    public static IEnumerable<(string Name, IAeadFactory Aead)> Aeads()
    {
        if (ChaCha20Poly1305Key.IsSupported)
        {
            yield return ("platform", new PlatformAeadFactory());
        }

        yield return (".NET", AeadFactory.DotNet);
        yield return ("managed", AeadFactory.Managed);
    }
}
