using Diode.Tunnel.Testing.Vectors;
using Xunit;
using Xunit.Abstractions;

namespace Diode.Tunnel.Tests.Edge;

public sealed class ConformanceVectorTests(ITestOutputHelper output) : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("diode-vectors");

    public void Dispose()
    {
        _folder.Delete(recursive: true);
    }

    [Fact]
    public void Every_case_of_every_covered_file_holds()
    {
        IReadOnlyList<VectorFileResult> results = VectorSuite.Run(VectorSuite.FindFolder());
        foreach (VectorFileResult result in results)
        {
            output.WriteLine(result.ToString());
        }

        Assert.Empty(results.SelectMany(result => result.Failures));
        Assert.Contains(results, result => result.IsCovered);
    }

    [Fact]
    public void An_empty_folder_fails()
    {
        Assert.NotEmpty(VectorSuite.Run(_folder.FullName).SelectMany(result => result.Failures));
        Assert.NotEmpty(VectorSuite.Run(Path.Combine(_folder.FullName, "missing")).SelectMany(result => result.Failures));
    }

    [Theory]
    [InlineData("no json")]
    [InlineData("{}")]
    [InlineData("{\"cases\":{}}")]
    [InlineData("{\"cases\":[]}")]
    [InlineData("{\"cases\":[1]}")]
    [InlineData("{\"cases\":[{}]}")]
    [InlineData("{\"cases\":[{\"kind\":\"unheard of\"}]}")]
    [InlineData("{\"cases\":[{\"kind\":\"decode\",\"input\":\"zz\",\"must\":\"reject\"}]}")]
    [InlineData("{\"cases\":[{\"kind\":\"decode\",\"input\":\"81\",\"must\":\"accept\",\"value\":null}]}")]
    [InlineData("{\"cases\":[{\"kind\":\"decode\",\"input\":\"80\",\"must\":\"maybe\",\"value\":null}]}")]
    public void A_malformed_case_counts_as_failed(string content)
    {
        File.WriteAllText(Path.Combine(_folder.FullName, "rlp.json"), content);
        VectorFileResult result = Assert.Single(VectorSuite.Run(_folder.FullName));
        Assert.Single(result.Failures);
        Assert.Equal(1, result.Cases);
    }

    [Fact]
    public void A_file_without_a_runner_is_named()
    {
        File.WriteAllText(Path.Combine(_folder.FullName, "other.json"), "{}");
        Assert.Equal("other.json: not covered", VectorSuite.Run(_folder.FullName)[0].ToString());
    }
}
