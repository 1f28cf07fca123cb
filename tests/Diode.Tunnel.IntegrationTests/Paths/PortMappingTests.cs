using Diode.Tunnel.Control.Models;
using Diode.Tunnel.IntegrationTests.Mesh;
using Diode.Tunnel.IntegrationTests.Namespaces;
using Xunit;
using Xunit.Abstractions;

namespace Diode.Tunnel.IntegrationTests.Paths;

/// <summary>
/// A device behind a symmetric NAT whose router runs miniupnpd (Debian's miniupnpd-nftables): with a port of its own it is reached
/// directly by one whose NAT lets in only what was spoken to. Without the daemon the pair meets at the relay (see the grid).
/// </summary>
public sealed class PortMappingTests(ITestOutputHelper output)
{
    private const string MiniUpnpd = "/usr/sbin/miniupnpd";

    [Theory]
    [InlineData("enable_natpmp=yes\nenable_upnp=no")]
    [InlineData("enable_natpmp=no\nenable_upnp=yes")]
    public void With_a_port_at_the_gateway_hard_nats_are_direct(string protocols)
    {
        if (!File.Exists(MiniUpnpd))
        {
            output.WriteLine("not run: miniupnpd-nftables is not installed");
            return;
        }

        using MeshWorld world = new();
        MeshDevice mapped = world.AddDeviceBehind("mapped", NatKind.Symmetric, "45.67.89");
        MeshDevice other = world.AddDeviceBehind("other", NatKind.EndpointIndependent);
        StartGateway(world, mapped, protocols);
        world.Found(mapped, other);
        using HostedProcess traffic = other.PingSteadily(mapped.Ipv4);
        foreach ((MeshDevice from, MeshDevice to) in new[] { (other, mapped), (mapped, other) })
        {
            from.WaitStatus("a direct path", s => s.Peers.Any(p => p.Device == to.Address && p.Path.Kind == PathKind.DirectUdp));
        }

        Assert.Equal($"{mapped.UplinkAddress}:41042", other.Peer(mapped).Endpoint);

        // The port is given back.
        Assert.Contains("41042", world.Net.Check(mapped.Router!, "nft", "list", "table", "inet", "filter"), StringComparison.Ordinal);
        mapped.Stop();
        world.Net.WaitUntil(
            "the port is given back",
            TimeSpan.FromSeconds(5),
            () => !world.Net.Check(mapped.Router!, "nft", "list", "table", "inet", "filter").Contains("41042", StringComparison.Ordinal));
    }

    private static void StartGateway(MeshWorld world, MeshDevice device, string protocols)
    {
        string tables = Path.Combine(world.Net.Folder, "upnp.nft");
        File.WriteAllText(
            tables,
            """
            table inet filter {
              chain prerouting_miniupnpd { }
              chain postrouting_miniupnpd { }
              chain miniupnpd { }
              chain prerouting { type nat hook prerouting priority -100; policy accept;
                jump prerouting_miniupnpd
              }
              chain postrouting { type nat hook postrouting priority 90; policy accept;
                jump postrouting_miniupnpd
              }
            }

            """);
        world.Net.Check(device.Router!, "nft", "insert", "rule", "ip", "nat4", "forward", "iifname", "wan", "ct", "status", "dnat", "accept");
        world.Net.Check(device.Router!, "nft", "-f", tables);
        string settings = Path.Combine(world.Net.Folder, "miniupnpd.conf");
        File.WriteAllText(
            settings,
            $"""
            ext_ifname=wan
            listening_ip=lan
            ext_ip={device.UplinkAddress}
            {protocols}
            secure_mode=yes
            system_uptime=yes
            uuid=00000000-0000-0000-0000-000000000000
            upnp_table_name=filter
            upnp_nat_table_name=filter
            upnp_forward_chain=miniupnpd
            upnp_nat_chain=prerouting_miniupnpd
            upnp_nat_postrouting_chain=postrouting_miniupnpd
            allow 1024-65535 10.0.0.0/8 1024-65535
            deny 0-65535 0.0.0.0/0 0-65535

            """);
        world.Net.Check(device.Router!, "ip", "route", "add", "239.0.0.0/8", "dev", "lan");
        world.Net.Start(device.Router!, MiniUpnpd, "-d", "-f", settings, "-P", Path.Combine(world.Net.Folder, "miniupnpd.pid"));
    }
}
