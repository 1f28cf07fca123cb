using System.Security.Cryptography;
using System.Text.Json;
using Diode.Tunnel.Control;
using Diode.Tunnel.Control.Models;
using Diode.Tunnel.IntegrationTests.Namespaces;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.Mesh;

/// <summary>The first line end to end: members reach each other by virtual IP and name, others do not.</summary>
public sealed class MeshTests(MeshTests.World mesh) : IClassFixture<MeshTests.World>
{
    [Fact]
    public void Members_ping_by_ipv4_ipv6_and_name()
    {
        Assert.True(mesh.Laptop.Pings(mesh.Server.Ipv4));
        Assert.True(mesh.Laptop.Pings(mesh.Server.Ipv6));
        Assert.True(mesh.Laptop.Pings("server.home.diode"));
        Assert.True(mesh.Laptop.Pings(mesh.Server.Address + ".diode"));
        Assert.True(mesh.Server.Pings("laptop.home.diode"));
        Assert.True(mesh.Laptop.Pings(mesh.Laptop.Ipv4));
    }

    [Fact]
    public void Names_resolve_forward_reverse_and_not_at_all()
    {
        Assert.Equal(mesh.Server.Ipv4, Dig("+short", "server.home.diode", "A"));
        Assert.Equal(mesh.Server.Ipv6, Dig("+short", "server.home.diode", "AAAA"));
        Assert.Equal(mesh.Server.Ipv4, Dig("+short", "+tcp", "server.home.diode", "A"));
        Assert.Equal("server.home.diode.", Dig("+short", "-x", mesh.Server.Ipv4));
        Assert.Equal("server.home.diode.", Dig("+short", "-x", mesh.Server.Ipv6));
        Assert.Contains("status: NXDOMAIN", Dig("nobody.home.diode"), StringComparison.Ordinal);
        Assert.Contains("status: NXDOMAIN", Dig("nobody.diode"), StringComparison.Ordinal);

        string nodata = Dig("server.home.diode", "TXT");
        Assert.Contains("status: NOERROR", nodata, StringComparison.Ordinal);
        Assert.Contains("ANSWER: 0", nodata, StringComparison.Ordinal);

        // The machine's own resolver asks ours, and ours the server it had before.
        Assert.Equal(mesh.Server.Ipv6, mesh.Laptop.Resolve("server.home.diode").Split(' ')[0]);
        Assert.StartsWith(MeshWorld.Web, mesh.Laptop.Resolve(MeshWorld.WebName), StringComparison.Ordinal);
        Assert.Contains($"dns {MeshWorld.DeviceNameServer} {mesh.Laptop.UplinkAddress} {MeshWorld.WebName}", mesh.Net.NamesForDevices.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Transfer_arrives_unchanged()
    {
        byte[] content = RandomNumberGenerator.GetBytes(16 << 20);
        string file = Path.Combine(mesh.Net.Net.Folder, "blob");
        File.WriteAllBytes(file, content);
        mesh.Server.Check("publish", "8080/tcp", "--to", "fleet");
        using HostedProcess web = mesh.Server.Serve("web", "8080");
        foreach (string host in new[] { mesh.Server.Ipv4, $"[{mesh.Server.Ipv6}]" })
        {
            CommandResult sent = mesh.Laptop.Run("curl", "-s", "-g", "-m", "60", "-T", file, $"http://{host}:8080/blob");
            Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(content)), sent.Output);
        }
    }

    [Fact]
    public void Only_published_ports_are_reachable()
    {
        using HostedProcess web = mesh.Server.Serve("web", "9001", "9002");
        mesh.Server.Check("publish", "9001", "--to", "fleet");
        Assert.Equal(mesh.Laptop.Ipv4, mesh.Laptop.Get($"http://{mesh.Server.Ipv4}:9001/"));
        Assert.Equal(mesh.Laptop.Ipv6, mesh.Laptop.Get($"http://[{mesh.Server.Ipv6}]:9001/"));
        Assert.Null(mesh.Laptop.Get($"http://{mesh.Server.Ipv4}:9002/", 2));
        Assert.Equal(mesh.Server.Ipv4, mesh.Server.Get($"http://{mesh.Server.Ipv4}:9002/"));
        mesh.Server.Check("unpublish", "9001");
        Assert.Null(mesh.Laptop.Get($"http://{mesh.Server.Ipv4}:9001/", 2));
    }

    [Fact]
    public void Publishing_to_a_label_lets_only_that_device_in()
    {
        mesh.EnsurePhone();
        using HostedProcess web = mesh.Server.Serve("web", "9003");
        mesh.Server.Check("publish", "9003", "--to", "phone");
        Assert.Equal(mesh.Phone.Ipv4, mesh.Phone.Get($"http://{mesh.Server.Ipv4}:9003/"));
        Assert.Null(mesh.Laptop.Get($"http://{mesh.Server.Ipv4}:9003/", 2));
        CommandResult unknown = mesh.Server.Cli("publish", "9003", "--to", "nobody");
        Assert.Equal(4, unknown.ExitCode);
        Assert.Contains("No device or fleet is called 'nobody'", unknown.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Status_shows_the_path_and_why()
    {
        Assert.True(mesh.Laptop.Pings(mesh.Server.Ipv4));
        DaemonStatus status = mesh.Laptop.Status();
        Assert.Equal(DaemonState.Up, status.State);
        Assert.Empty(status.Health);
        PeerStatus peer = status.Peers.Single(p => p.Device == mesh.Server.Address);
        Assert.Equal((PathKind.DirectUdp, "direct"), (peer.Path.Kind, peer.Path.Reason));
        Assert.Equal($"{mesh.Server.UplinkAddress}:41042", peer.Endpoint);
        Assert.InRange(peer.Path.RttMs ?? 0, 0.01, 1000);
        Assert.True(peer.Online);
        Assert.NotNull(peer.LastHandshake);
        Assert.Equal((mesh.Server.Ipv4, mesh.Server.Ipv6), (peer.Ipv4, peer.Ipv6));
        string text = mesh.Laptop.Check("status");
        Assert.Contains("server", text, StringComparison.Ordinal);
        Assert.Contains("direct-udp", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Ping_verb_answers_with_the_path()
    {
        string[] lines = mesh.Laptop.Check("ping", "server", "-c", "3", "--json").Split('\n', StringSplitOptions.RemoveEmptyEntries);
        PingResult[] results = [.. lines.Select(l => JsonSerializer.Deserialize(l, ControlJson.Default.PingResult)!)];
        Assert.Equal(3, results.Length);
        Assert.All(results, r => Assert.True(r.Received && r.RttMs > 0 && r.Path.Kind == PathKind.DirectUdp && r.Device == mesh.Server.Address));
        CommandResult unknown = mesh.Laptop.Cli("ping", "nobody", "-c", "1");
        Assert.Equal(4, unknown.ExitCode);
    }

    [Fact]
    public void New_member_is_learnt_by_the_others_without_a_file()
    {
        mesh.EnsurePhone();
        Assert.True(mesh.Server.Pings("phone.home.diode"));
        Assert.True(mesh.Phone.Pings("server.home.diode"));
    }

    [Fact]
    public void Outsider_is_refused_with_the_reason()
    {
        CommandResult join = mesh.Outsider.Cli("fleet", "join", mesh.Net.ExportManifest(mesh.Laptop));
        Assert.Equal(5, join.ExitCode);
        Assert.Contains("This device is not a member of fleet 'home'.", join.Output, StringComparison.Ordinal);
        Assert.Contains($"diode-tunnel fleet add {mesh.Outsider.Address} NAME --fleet home", join.Output, StringComparison.Ordinal);
        DaemonStatus status = mesh.Outsider.Status();
        Assert.Empty(status.Fleets);
        Assert.Empty(status.Peers);
        Assert.False(mesh.Outsider.Pings(mesh.Server.Ipv4, 1));
        Assert.False(mesh.Outsider.Pings(mesh.Server.Ipv6, 1));
        Assert.False(mesh.Server.Pings(mesh.Outsider.Ipv4, 1));
        Assert.DoesNotContain(mesh.Server.Status().Peers, p => p.Device == mesh.Outsider.Address);
    }

    private string Dig(params string[] arguments) =>
        mesh.Laptop.Run(["dig", "@100.100.100.100", "+time=2", "+tries=2", .. arguments]).Output.Trim();

    /// <summary>Laptop (the operator) and server are members from the start; the phone when a test needs it.</summary>
    public sealed class World : IDisposable
    {
        public World()
        {
            try
            {
                Laptop = Net.AddDevice("laptop");
                Server = Net.AddDevice("server");
                Phone = Net.AddDevice("phone");
                Outsider = Net.AddDevice("outsider");
                Phone.Launch();
                Outsider.Launch();
                Net.Found(Laptop, Server);
                Phone.WaitReady();
                Outsider.WaitReady();
            }
            catch
            {
                Net.Dispose();
                throw;
            }
        }

        internal MeshWorld Net { get; } = new();

        internal MeshDevice Laptop { get; }

        internal MeshDevice Server { get; }

        internal MeshDevice Phone { get; }

        internal MeshDevice Outsider { get; }

        public void Dispose() => Net.Dispose();

        /// <summary>The operator adds the phone; only the phone itself gets a file.</summary>
        internal void EnsurePhone()
        {
            if (Laptop.Status().Peers.Any(p => p.Device == Phone.Address))
            {
                return;
            }

            Laptop.Check("fleet", "add", Phone.Address, "phone");
            Server.WaitStatus("the server has learnt of the phone", s => s.Peers.Any(p => p.Device == Phone.Address), TimeSpan.FromSeconds(5));
            Phone.Check("fleet", "join", Net.ExportManifest(Laptop));
            MeshWorld.WaitMeshed(Laptop, Server, Phone);
        }
    }
}
