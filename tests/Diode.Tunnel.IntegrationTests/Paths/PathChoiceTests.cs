using Diode.Tunnel.Control.Models;
using Diode.Tunnel.IntegrationTests.Mesh;
using Diode.Tunnel.IntegrationTests.Namespaces;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.Paths;

/// <summary>What paths may be used, and what depends on them.</summary>
public sealed class PathChoiceTests
{
    private const string Url = $"http://{MeshWorld.Web}/";

    [Fact]
    public void With_relays_only_peers_learn_no_addresses_and_nothing_goes_straight()
    {
        using MeshWorld world = new() { Paths = "relay" };
        MeshDevice laptop = world.AddDevice("laptop");
        MeshDevice server = world.AddDevice("server");
        world.Found(laptop, server);
        string rules = Path.Combine(world.Net.Folder, "straight.nft");
        File.WriteAllText(
            rules,
            $$"""
            table inet straight {
              counter straight { }
              chain pre { type filter hook prerouting priority -310; policy accept;
                ip saddr { {{laptop.UplinkAddress}}, {{server.UplinkAddress}} } ip daddr { {{laptop.UplinkAddress}}, {{server.UplinkAddress}} } counter name "straight"
              }
            }

            """);
        world.Net.Check("inet", "nft", "-f", rules);
        using HostedProcess traffic = laptop.PingSteadily(server.Ipv4);
        DaemonStatus? seen = null;
        laptop.WaitStatus("a path by UDP through the relay", s => (seen = s).Peers.Any(p => p.Path.Kind == PathKind.RelayUdp));
        Assert.Contains("paths: relay", seen!.Peers[0].Path.Reason, StringComparison.Ordinal);
        Assert.StartsWith(MeshWorld.RelayAddress + ":", seen.Peers[0].Endpoint, StringComparison.Ordinal);
        server.WaitStatus("the same at the other end", s => s.Peers.Any(p => p.Path.Kind == PathKind.RelayUdp));
        Assert.True(laptop.Pings(server.Ipv6));
        Assert.Contains("packets 0 ", world.Net.Check("inet", "nft", "list", "counter", "inet", "straight", "straight"), StringComparison.Ordinal);

        // More than the relay carries unpaid: tickets cover what its UDP port carries.
        server.Check("publish", "5201", "--to", "fleet");
        using (HostedProcess sink = world.Net.Start("server", "iperf3", "-s", "-1"))
        {
            Thread.Sleep(500);
            CommandResult sent = laptop.Run("iperf3", "-c", server.Ipv4, "-b", "100M", "-t", "8");
            Assert.True(sent.ExitCode == 0, sent.Output);
        }

        DaemonStatus after = laptop.Status();
        Assert.Equal(PathKind.RelayUdp, after.Peers[0].Path.Kind);
        Assert.Empty(after.Health);
        Assert.True(after.Relays[0].Ticket!.TotalBytes > 50_000_000, $"{after.Relays[0].Ticket!.TotalBytes} bytes signed");

        // Without traffic for a peer that has gone, the stream is there again when it comes back.
        server.Stop();
        server.Start();
        MeshWorld.WaitMeshed(laptop, server);
        Assert.True(laptop.Pings(server.Ipv4, 10));
    }

    [Fact]
    public void An_exit_reached_directly_outlives_the_relay_and_blocks_when_it_dies_itself()
    {
        using MeshWorld world = new();
        MeshDevice laptop = world.AddDevice("laptop");
        MeshDevice exit = world.AddDevice("exit", nameServer: MeshWorld.ExitNameServer);
        world.Found(laptop, exit);
        exit.Check("exit", "offer", "--region", "de");
        laptop.WaitStatus("the offer is known", s => s.Exit.Offers.Count == 1);
        laptop.Check("exit", "use", "de");
        laptop.WaitStatus("a direct path to the exit", s => s.Peers.Any(p => p.Path.Kind == PathKind.DirectUdp));
        Assert.Equal(exit.UplinkAddress, laptop.Get(Url));

        world.KillRelay();
        for (int i = 0; i < 20; i++)
        {
            Assert.Equal(exit.UplinkAddress, laptop.Get(Url));
            Thread.Sleep(500);
        }

        world.Watch(laptop);
        exit.Kill();
        laptop.WaitStatus("blocked", static s => s.State == DaemonState.Blocked, TimeSpan.FromSeconds(10));
        Assert.Null(laptop.Get(Url, 0.7));
        Assert.Equal(0, world.Counted("clear"));
    }
}
