using BenchmarkDotNet.Attributes;

namespace Diode.Tunnel.Benchmarks;

/// <summary>ChaCha20-Poly1305 of packets.</summary>
[MemoryDiagnoser]
public class CipherBenchmarks : IDisposable
{
    private CipherRung? _rung;

    /// <summary>Which implementation.</summary>
    [ParamsSource(nameof(Ciphers))]
    public string Cipher { get; set; } = string.Empty;

    /// <summary>Those of this machine.</summary>
    public static IEnumerable<string> Ciphers => Ladder.Aeads().Select(aead => aead.Name);

    /// <summary>Which of <see cref="PacketLoad.All"/>.</summary>
    [Params(0, 1, 2, 3)]
    public int Load { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        _rung = new CipherRung(Cipher, Ladder.Aeads().First(aead => aead.Name == Cipher).Aead, PacketLoad.All[Load]);
    }

    [GlobalCleanup]
    public void Dispose()
    {
        _rung?.Dispose();
        GC.SuppressFinalize(this);
    }

    [Benchmark]
    public void SealAndOpen()
    {
        _rung!.Packets();
    }
}
