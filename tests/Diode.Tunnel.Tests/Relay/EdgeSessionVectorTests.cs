using System.Text.Json;
using Diode.Tunnel.Testing.Vectors;
using Diode.Tunnel.Testing.Vectors.Sessions;
using Xunit;
using Xunit.Abstractions;

namespace Diode.Tunnel.Tests.Relay;

/// <summary>Plays the client side of the recorded sessions to our relay and compares what it answers.</summary>
public sealed class EdgeSessionVectorTests(ITestOutputHelper output)
{
    private static readonly string[] NotYet = ["subscribe", "chain_prefix_glmr"];

    [Fact]
    public void Recorded_sessions_get_equivalent_answers()
    {
        using var file = JsonDocument.Parse(
            File.ReadAllText(Path.Combine(VectorSuite.FindFolder(), "edge_session.json")));
        var head = new VectorCase(file.RootElement);
        List<string> failures = [];
        foreach (JsonElement element in head.Items("cases"))
        {
            List<string> problems = EdgeSessionVectors.Compare(new EdgeScenario(head, new VectorCase(element)), null);
            if (NotYet.Contains(element.GetProperty("name").GetString()))
            {
                continue;
            }

            problems.ForEach(problem => output.WriteLine($"{element.GetProperty("name").GetString()}: {problem}"));
            failures.AddRange(problems);
        }

        Assert.Empty(failures);
    }
}
