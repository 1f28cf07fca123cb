using Diode.Tunnel.Testing;
using Xunit;

namespace Diode.Tunnel.Tests.Fuzz;

/// <summary>
/// Every file in <c>tests/fuzz/DECODER/</c> goes through its decoder, as it is and damaged. Inputs that once broke something are put
/// there and stay.
/// </summary>
public sealed class FuzzCorpusTests
{
    private const int MutationsPerSeed = 2000;
    private const int MutationsPerSlowSeed = 150;

    // Sessions, signatures and TLS engines are made anew for each input.
    private static readonly string[] Slow = ["edge-frames", "objects", "peer-frames", "peer-terms", "tls-client-hello"];

    public static TheoryData<string> Decoders => [.. FuzzTargets.All.Keys];

    [Theory]
    [MemberData(nameof(Decoders))]
    public void Every_file_and_what_is_made_of_it_is_taken_or_refused(string decoder)
    {
        byte[][] seeds = [.. Directory.GetFiles(Path.Combine(Folder(), decoder)).Order().Select(File.ReadAllBytes)];
        Assert.NotEmpty(seeds);
        Action<byte[]> decode = FuzzTargets.All[decoder]();
        foreach (byte[] seed in seeds)
        {
            decode(seed);
        }

        var mutator = new InputMutator(20261121, seeds);
        int rounds = seeds.Length * (Slow.Contains(decoder) ? MutationsPerSlowSeed : MutationsPerSeed);
        for (int round = 0; round < rounds; round++)
        {
            byte[] input = mutator.Next().ToArray();
            try
            {
                decode(input);
            }
            catch (Exception exception)
            {
                Assert.Fail($"{decoder}: {exception}\nkeep this input: {Convert.ToHexString(input)}");
            }
        }
    }

    [Fact]
    public void Every_folder_has_a_decoder()
    {
        Assert.Equal(FuzzTargets.All.Keys.Order(), Directory.GetDirectories(Folder()).Select(folder => Path.GetFileName(folder)!).Order());
    }

    internal static string Folder()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            string candidate = Path.Combine(folder.FullName, "tests", "fuzz");
            if (Directory.Exists(candidate))
            {
                return candidate;
            }
        }

        throw new DirectoryNotFoundException("tests/fuzz");
    }
}
