using System.Text.Json;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;

namespace Diode.Tunnel.Testing.Vectors.Sessions;

/// <summary>One recorded scenario of <c>edge_session.json</c> and the head of its file.</summary>
internal sealed class EdgeScenario
{
    public EdgeScenario(VectorCase file, VectorCase scenario)
    {
        File = file;
        Name = scenario.Name;
        StartMs = (long)file.Number("chain_time") * 1000;
        Epoch = file.Whole("epoch");
        Steps = [.. scenario.Items("steps").Select(step => new EdgeStep(step))];
        foreach (string node in new[] { "node1", "node2" })
        {
            if (file.Has(node))
            {
                VectorCase description = file.Sub(node);
                Nodes.Add(description.Address("address"), description.PrivateKey("private"));
            }
        }

        foreach (JsonElement element in scenario.Items("connections"))
        {
            var connection = new VectorCase(element);
            Connections.Add(
                connection.Text("name"), (connection.PrivateKey("device_private"), connection.Address("node")));
        }

        foreach (JsonElement element in scenario.Items("variables"))
        {
            var variable = new VectorCase(element);
            Variables[variable.Text("name")] = variable.Text("value");
        }

        Notes = [.. scenario.Items("notes").Select(VectorCase.ToText)];
    }

    public VectorCase File { get; }

    public string Name { get; }

    public long StartMs { get; }

    public ulong Epoch { get; }

    public IReadOnlyList<EdgeStep> Steps { get; }

    /// <summary>Keys of the relays by address.</summary>
    public Dictionary<Address, PrivateKey> Nodes { get; } = [];

    /// <summary>Key of the device and the relay it talks to, by the name of the connection.</summary>
    public Dictionary<string, (PrivateKey Device, Address Node)> Connections { get; } = [];

    /// <summary>Recorded values of what the relay chose at random.</summary>
    public Dictionary<string, string> Variables { get; } = [];

    public IReadOnlyList<string> Notes { get; }
}
