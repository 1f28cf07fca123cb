using System.Security.Cryptography;
using Diode.Tunnel.IntegrationTests.Namespaces;
using Diode.Tunnel.Platform.Tls;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.Mesh;

/// <summary>Relay and device with the TLS library of Windows, a second device with libssl: all of it works together.</summary>
public sealed class ManagedTlsTests
{
    private static readonly string[] Managed = ["env", TlsEngineFactory.BackendVariable + "=bouncycastle"];

    [Fact]
    public void A_mesh_runs_on_managed_tls()
    {
        using MeshWorld world = new(Managed);
        MeshDevice laptop = world.AddDevice("laptop");
        MeshDevice server = world.AddDevice("server");
        laptop.Environment = Managed;
        world.Found(laptop, server);
        Assert.True(laptop.Pings(server.Ipv4));
        Assert.True(server.Pings("laptop.home.diode"));

        byte[] content = RandomNumberGenerator.GetBytes(4 << 20);
        string file = Path.Combine(world.Net.Folder, "blob");
        File.WriteAllBytes(file, content);
        server.Check("publish", "8080/tcp", "--to", "fleet");
        using HostedProcess web = server.Serve("web", "8080");
        CommandResult sent = laptop.Run("curl", "-s", "-m", "60", "-T", file, $"http://{server.Ipv4}:8080/blob");
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(content)), sent.Output);
    }
}
