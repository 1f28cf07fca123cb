using System.Text.Json;
using System.Text.Json.Nodes;
using Diode.Tunnel.Testing.Vectors;
using Diode.Tunnel.Testing.Vectors.Sessions;
using Xunit;
using Xunit.Abstractions;

namespace Diode.Tunnel.Tests.Relay;

/// <summary>Plays the client side of the recorded sessions to our relay and compares what it answers.</summary>
public sealed class EdgeSessionVectorTests(ITestOutputHelper output)
{
    private static readonly string Text = File.ReadAllText(Path.Combine(VectorSuite.FindFolder(), "edge_session.json"));

    [Fact]
    public void Recorded_sessions_get_equivalent_answers()
    {
        Assert.Empty(Play(Text));
    }

    [Fact]
    public void Our_client_does_what_recorded_clients_did()
    {
        using var file = JsonDocument.Parse(Text);
        var head = new VectorCase(file.RootElement);
        int connections = 0;
        List<string> failures = [];
        foreach (JsonElement element in head.Items("cases"))
        {
            var scenario = new EdgeScenario(head, new VectorCase(element));
            failures.AddRange(ClientTranscript.Replay(scenario, out int played)
                .Select(problem => scenario.Name + ": " + problem));
            connections += played;
        }

        failures.ForEach(output.WriteLine);
        Assert.Empty(failures);
        Assert.True(connections >= 50, $"{connections} connections");
    }

    // The comparison must be able to fail: every recorded frame of a few scenarios is changed in turn.
    [Theory]
    [InlineData("hello_versions")]
    [InlineData("ticket_sequence")]
    [InlineData("portopen_shared")]
    [InlineData("message")]
    [InlineData("channel")]
    [InlineData("bad_input_replies")]
    public void A_wrong_answer_is_noticed(string name)
    {
        var file = (JsonObject)JsonNode.Parse(Text)!;
        JsonNode scenario = file["cases"]!.AsArray().First(item => (string?)item!["name"] == name)!;
        JsonNode blocks = file["cases"]!.AsArray().First(item => (string?)item!["name"] == "ticket_v1")!.DeepClone();
        blocks["steps"] = new JsonArray();
        int changed = 0;
        foreach (JsonNode? step in scenario["steps"]!.AsArray())
        {
            if ((string?)step!["event"] == "s2c" && step["decoded"]![1]![0] is JsonValue word
                && (string?)word is not "7469636b65745f72657175657374")
            {
                string old = (string)word!;
                step["decoded"]![1]![0] = "00" + old[2..];
                file["cases"] = new JsonArray(scenario.DeepClone(), blocks.DeepClone());
                bool isNoticed = Play(file.ToJsonString()).Count > 0;
                step["decoded"]![1]![0] = old;

                // The numbers of two replies are the relay's own, so only their shape counts.
                bool isOwn = ((string)step["text"]!).Contains("2.4.1", StringComparison.Ordinal);
                Assert.True(isNoticed || isOwn || IsUsage(scenario, step), $"{name} at {step["text"]}");
                changed++;
            }
        }

        Assert.True(changed >= 4);
    }

    private static bool IsUsage(JsonNode scenario, JsonNode reply)
    {
        return scenario["steps"]!.AsArray().Any(step => (string?)step!["event"] == "c2s"
            && step["decoded"] is JsonArray { Count: 2 } decoded
            && decoded[0]!.ToString() == reply["decoded"]![0]!.ToString()
            && ((string?)step["text"])?.Contains("[\"bytes\"]", StringComparison.Ordinal) == true);
    }

    private List<string> Play(string text)
    {
        using var file = JsonDocument.Parse(text);
        var head = new VectorCase(file.RootElement);
        List<string> failures = [];
        foreach (JsonElement element in head.Items("cases"))
        {
            var vector = new VectorCase(element);
            failures.AddRange(EdgeSessionVectors.Compare(new EdgeScenario(head, vector), null)
                .Select(problem => vector.Name + ": " + problem));
        }

        failures.ForEach(output.WriteLine);
        return failures;
    }
}
