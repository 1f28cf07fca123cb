using System.Net;
using Diode.Tunnel.Control.Models;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.Mesh;

/// <summary>A LAN inside 100.64.0.0/10 that covers a member's address: the member gets another one on this machine.</summary>
public sealed class AddressConflictTests : IDisposable
{
    private readonly MeshWorld _world = new();

    [Fact]
    public void Member_behind_a_local_route_gets_an_alias()
    {
        MeshDevice laptop = _world.AddDevice("laptop");
        MeshDevice server = _world.AddDevice("server");
        server.Start();
        server.Serve("web", "80");
        server.Check("publish", "80", "--to", "fleet");

        // The laptop's LAN: a /24 around the server's virtual address.
        byte[] lan = IPAddress.Parse(server.Ipv4).GetAddressBytes();
        lan[3] = (byte)(lan[3] == 1 ? 2 : 1);
        _world.Net.Check("laptop", "ip", "link", "add", "lan0", "type", "bridge");
        _world.Net.AddAddress("laptop", "lan0", new IPAddress(lan) + "/24");
        _world.Net.Check("laptop", "ip", "link", "set", "lan0", "up");

        laptop.Start();
        laptop.Check("fleet", "create", MeshWorld.Fleet, "--label", "laptop");
        laptop.Check("fleet", "add", server.Address, "server");
        server.Check("fleet", "join", _world.ExportManifest(laptop));
        MeshWorld.WaitMeshed(laptop, server);

        DaemonStatus status = laptop.Status();
        PeerStatus peer = Assert.Single(status.Peers);
        Assert.True(peer.Alias);
        Assert.NotEqual(server.Ipv4, peer.Ipv4);
        Assert.True(IPNetwork.Parse("100.64.0.0/10").Contains(IPAddress.Parse(peer.Ipv4!)));
        HealthWarning warning = Assert.Single(status.Health, h => h.Code == "POOL_OVERLAP");
        Assert.Contains("ipv4Pool", warning.Fix, StringComparison.Ordinal);

        Assert.True(laptop.Pings(peer.Ipv4!));
        Assert.True(laptop.Pings("server.home.diode"));
        Assert.True(laptop.Pings(server.Ipv6));
        Assert.Equal(laptop.Ipv4, laptop.Get($"http://{peer.Ipv4}/"));
        Assert.Equal(peer.Ipv4, laptop.Run("dig", "+short", "server.home.diode", "A").Output.Trim());
        Assert.Equal("server.home.diode.", laptop.Run("dig", "+short", "-x", peer.Ipv4!).Output.Trim());

        // The other direction: the server sees the laptop's own address.
        Assert.True(server.Pings(laptop.Ipv4));
        Assert.False(server.Peer(laptop).Alias);

        // The LAN itself still works.
        Assert.True(laptop.Pings(new IPAddress(lan).ToString()));
        Assert.Contains("lan0", laptop.Run("ip", "route", "get", server.Ipv4).Output, StringComparison.Ordinal);
    }

    public void Dispose() => _world.Dispose();
}
