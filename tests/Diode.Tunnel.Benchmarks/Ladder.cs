using Diode.Tunnel.Platform.Crypto;
using Diode.Tunnel.WireGuard.Crypto;

namespace Diode.Tunnel.Benchmarks;

/// <summary>The rungs from the inside out; each contains the one before: cipher ≤ session ≤ pipeline ≤ tunnel.</summary>
internal static class Ladder
{
    /// <summary>Numbers of peers for which the price of a packet is compared.</summary>
    private static readonly int[] PeerCounts = [1, 100, 10_000];

    public static IEnumerable<IRung> All()
    {
        foreach (PacketLoad load in PacketLoad.All)
        {
            foreach ((string name, IAeadFactory aead) in Aeads())
            {
                yield return new CipherRung(name, aead, load);
                yield return new SessionRung(name, aead, load);
                yield return new PipelineRung(name, aead, load);
            }
        }

        // tunnel: two daemons with real adapters; measured from outside by scripts/bench.sh.
    }

    /// <summary>The price of a packet must not depend on how many peers there are.</summary>
    public static IEnumerable<IRung> Peers()
    {
        (string name, IAeadFactory aead) = Aeads().First();
        foreach (PacketLoad load in PacketLoad.All)
        {
            foreach (int peers in PeerCounts)
            {
                yield return new PipelineRung(name, aead, load, peers);
            }
        }
    }

    public static IEnumerable<(string Name, IAeadFactory Aead)> Aeads()
    {
        if (VectorChaCha20Poly1305Key.IsSupported)
        {
            yield return ("vectors", new PlatformAeadFactory(static key => new VectorChaCha20Poly1305Key(key)));
        }

        if (LibcryptoChaCha20Poly1305Key.IsSupported)
        {
            yield return ("libcrypto", new PlatformAeadFactory(static key => new LibcryptoChaCha20Poly1305Key(key)));
        }

        yield return (".NET", AeadFactory.DotNet);
    }
}
