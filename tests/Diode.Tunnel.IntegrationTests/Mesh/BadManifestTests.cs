using System.Text;
using Diode.Tunnel.Engine.Membership;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.IntegrationTests.Namespaces;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.Mesh;

/// <summary>Manifests that must not be taken: each is refused with cause and cure, and nothing has changed.</summary>
public sealed class BadManifestTests : IDisposable
{
    private readonly MeshWorld _world = new();

    [Fact]
    public void Bad_manifests_are_refused_and_change_nothing()
    {
        MeshDevice laptop = _world.AddDevice("laptop");
        MeshDevice server = _world.AddDevice("server");
        _world.Found(laptop, server);
        string good = File.ReadAllText(_world.ExportManifest(laptop));
        laptop.Check("fleet", "add", "0x00000000000000000000000000000000000000aa", "later");
        server.WaitStatus("the newer manifest has come", s => s.Peers.Any(p => p.Label == "later"), TimeSpan.FromSeconds(5));

        string system = server.Snapshot();
        string fleets = server.Check("fleet", "list", "--json");
        string newer = File.ReadAllText(_world.ExportManifest(laptop));
        Refused(server, good, "older");
        Refused(server, newer.Replace("\"later\"", "\"other\"", StringComparison.Ordinal), "bad signature");
        Refused(server, newer[..(newer.Length / 2)], "malformed");
        Refused(server, "garbage", "malformed");
        Refused(server, Sign("expired", server, DateTimeOffset.UtcNow.AddDays(-9), TimeSpan.FromDays(1)), "expired");
        Refused(server, Sign("early", server, DateTimeOffset.UtcNow.AddDays(2), TimeSpan.FromDays(1)), "in the future");

        CommandResult missing = server.Cli("fleet", "join", "/nowhere/manifest.json");
        Assert.NotEqual(0, missing.ExitCode);
        Assert.Contains("/nowhere/manifest.json", missing.Output, StringComparison.Ordinal);

        Assert.Equal(fleets, server.Check("fleet", "list", "--json"));
        server.AssertAsBefore(system);
        Assert.True(server.Pings(laptop.Ipv4));

        // Also not as a file put in place while the daemon is away: the last good copy is used, which is one version
        // older, until a member brings the newest again.
        server.Stop();
        string stored = Assert.Single(Directory.GetFiles(Path.Combine(server.StateFolder, "fleets"), "*.json"));
        File.WriteAllText(stored, newer.Replace("\"later\"", "\"other\"", StringComparison.Ordinal));
        server.Start();
        MeshWorld.WaitMeshed(laptop, server);
        _world.Net.WaitUntil(
            "the newest manifest is back", TimeSpan.FromSeconds(20), () => server.Check("fleet", "list", "--json") == fleets);
        Assert.True(server.Pings(laptop.Ipv4));
    }

    public void Dispose() => _world.Dispose();

    private void Refused(MeshDevice device, string document, string cause)
    {
        string file = Path.Combine(_world.Net.Folder, "bad.json");
        File.WriteAllText(file, document);
        CommandResult join = device.Cli("fleet", "join", file);
        Assert.True(join.ExitCode == 5, $"{cause}: exit code {join.ExitCode}: {join.Output}");
        Assert.Contains(cause, join.Output, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("diode-tunnel fleet export", join.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("Exception", join.Output, StringComparison.Ordinal);
    }

    private static string Sign(string name, MeshDevice member, DateTimeOffset issued, TimeSpan validity)
    {
        using PrivateKey key = PrivateKey.Generate();
        ManifestEditor editor = ManifestEditor.Create(name);
        Assert.Null(editor.Add(new FleetMember(Address.Parse(member.Address), member.Name)));
        return Encoding.UTF8.GetString(editor.Sign(key, issued, validity).ToDocument());
    }
}
