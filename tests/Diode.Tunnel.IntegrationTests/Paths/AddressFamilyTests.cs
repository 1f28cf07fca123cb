using Diode.Tunnel.Control.Models;
using Diode.Tunnel.IntegrationTests.Mesh;
using Xunit;
using Xunit.Abstractions;

namespace Diode.Tunnel.IntegrationTests.Paths;

/// <summary>Devices that have one address family only.</summary>
public sealed class AddressFamilyTests(ITestOutputHelper output)
{
    private const string RelayIpv6 = "2001:db8:46::46";

    [Fact]
    public void With_only_ipv6_in_common_it_is_direct_and_with_nothing_in_common_a_relay_that_has_both_joins_them()
    {
        using MeshWorld world = new();
        world.Net.AddAddress("relay", "up0", RelayIpv6 + "/64");
        world.Net.AddAddress("inet", "relay", "2001:db8:46::1/64");
        world.Net.Check("relay", "ip", "-6", "route", "add", "default", "via", "2001:db8:46::1");
        world.KillRelay();
        world.StartRelay("--listen", $"[{RelayIpv6}]:41046");
        MeshDevice laptop = world.AddDevice("laptop", ipv6: true);
        MeshDevice server = world.AddDevice("server", ipv6: true);
        MeshDevice old = world.AddDevice("old");
        foreach (MeshDevice device in new[] { laptop, server })
        {
            world.Net.Check(device.Name, "ip", "-4", "address", "flush", "dev", "up0");
            device.RelayUri = world.RelayUri.Replace(MeshWorld.RelayAddress, $"[{RelayIpv6}]", StringComparison.Ordinal);
        }

        world.Found(laptop, server, old);
        Assert.True(laptop.Pings(server.Ipv4) && laptop.Pings(server.Ipv6));
        laptop.WaitStatus("direct by IPv6", s => s.Peers.Any(p => p.Device == server.Address && p.Path.Kind == PathKind.DirectUdp));
        Assert.Equal($"[{server.UplinkIpv6}]:41042", laptop.Peer(server).Endpoint);

        Assert.True(laptop.Pings(old.Ipv4) && old.Pings(server.Ipv6));
        output.WriteLine($"{laptop.Peer(old).Path}");
        Assert.Equal((PathKind.RelayStream, PathKind.RelayStream), (laptop.Peer(old).Path.Kind, old.Peer(laptop).Path.Kind));
    }
}
