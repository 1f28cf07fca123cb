using Diode.Tunnel.Control;
using Diode.Tunnel.Control.Models;
using Diode.Tunnel.IntegrationTests.Mesh;
using Diode.Tunnel.IntegrationTests.Namespaces;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.Paths;

/// <content>The machine itself refuses to send: its interface became narrow, its route is gone.</content>
public sealed partial class PathFailureTests
{
    /// <summary>What is on its way while a command changes the network is not ours.</summary>
    private const int MostLost = 6;

    [Fact]
    public void An_interface_that_becomes_narrow_and_a_route_that_goes_are_known_at_once()
    {
        Topology net = mesh.Net.Net;
        using ControlClient client = mesh.Laptop.Control();
        using Transfer transfer = mesh.Start(6);
        net.WaitUntil("a direct path", TimeSpan.FromSeconds(15), () => Kind(client) == PathKind.DirectUdp);
        using HostedProcess ping = mesh.Laptop.PingSteadily(mesh.Server.Ipv4, 0.02);
        net.WaitUntil("echoes", TimeSpan.FromSeconds(15), () => Answers(ping).Count > 20);

        SetMtu("1300");
        net.WaitUntil("refusals", TimeSpan.FromSeconds(10), () => Counter(client, "udp_sends_too_long_total") > 0);
        net.WaitUntil(
            "long echoes",
            TimeSpan.FromSeconds(15),
            () => mesh.Laptop.Run("ping", "-n", "-c", "1", "-W", "1", "-M", "dont", "-s", "1300", mesh.Server.Ipv4).ExitCode == 0);
        Assert.Equal(PathKind.DirectUdp, Kind(client));
        transfer.AssertWhole(output, isSteady: true);

        string gateway = net.Check("laptop", "ip", "route", "show", "default").Split(' ')[2];
        int before = Answers(ping).Max;
        net.Check("laptop", "ip", "route", "add", MeshWorld.RelayAddress, "via", gateway);
        net.Check("laptop", "ip", "route", "del", "default");
        net.WaitUntil("another path", TimeSpan.FromSeconds(10), () => Kind(client) != PathKind.DirectUdp);
        net.WaitUntil("echoes that way", TimeSpan.FromSeconds(10), () => Answers(ping).Max > before + 100);
        Assert.True(Counter(client, "udp_sends_unreachable_total") > 0);
        Assert.Contains("no route", mesh.Laptop.Peer(mesh.Server).Path.Reason, StringComparison.Ordinal);

        net.Check("laptop", "ip", "route", "add", "default", "via", gateway);
        net.Check("laptop", "ip", "route", "del", MeshWorld.RelayAddress);
        SetMtu("1500");
        net.WaitUntil("direct again", TimeSpan.FromSeconds(15), () => Kind(client) == PathKind.DirectUdp);
        Thread.Sleep(500);

        // Waiting for probes would cost dozens at each of the three changes.
        int[] lost = Lost(ping, 0, "narrow, cut and whole again");
        Assert.True(lost.Length <= MostLost, $"lost: {string.Join(' ', lost)}\n{net.Logs()}");
    }

    private void SetMtu(string mtu)
    {
        mesh.Net.Net.Check("laptop", "ip", "link", "set", "up0", "mtu", mtu);
        mesh.Net.Net.Check(Internet, "ip", "link", "set", "laptop", "mtu", mtu);
    }

    private static long Counter(ControlClient client, string name) =>
        client.GetStatusAsync().GetAwaiter().GetResult().Counters!.GetValueOrDefault(name);
}
