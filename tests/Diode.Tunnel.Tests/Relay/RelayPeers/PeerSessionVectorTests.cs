using System.Text.Json;
using Diode.Tunnel.Testing.Vectors;
using Diode.Tunnel.Testing.Vectors.Sessions;
using Xunit;

namespace Diode.Tunnel.Tests.Relay.RelayPeers;

/// <summary>peer_session.json, scenario by scenario; the suite of all files runs it too.</summary>
public sealed class PeerSessionVectorTests
{
    [Fact]
    public void Recorded_sessions_get_equivalent_answers()
    {
        string folder = VectorSuite.FindFolder();
        using var document = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "peer_session.json")));
        var file = new VectorCase(document.RootElement) { Folder = folder };
        VectorCase[] cases = [.. file.Items("cases").Select(element => new VectorCase(element))];
        Assert.Equal(26, cases.Length);
        Assert.All(cases, scenario => Assert.Empty(PeerSessionVectors.Compare(file, scenario)));
    }

    [Fact]
    public void A_relay_that_answers_otherwise_is_noticed()
    {
        string folder = VectorSuite.FindFolder();
        string text = File.ReadAllText(Path.Combine(folder, "peer_session.json"));

        // Some recorded answer, "unknown method", is another one now.
        string changed = text.Replace("756e6b6e6f776e206d6574686f64", "756e6b6e6f776e206d6574686f65", StringComparison.Ordinal);
        Assert.NotEqual(text, changed);
        using var document = JsonDocument.Parse(changed);
        var file = new VectorCase(document.RootElement) { Folder = folder };
        Assert.Contains(
            file.Items("cases"), element => PeerSessionVectors.Compare(file, new VectorCase(element)).Count > 0);
    }
}
