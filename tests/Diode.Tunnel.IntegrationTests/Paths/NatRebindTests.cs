using System.Globalization;
using System.Text.RegularExpressions;
using Diode.Tunnel.Control.Models;
using Diode.Tunnel.IntegrationTests.Mesh;
using Diode.Tunnel.IntegrationTests.Namespaces;
using Xunit;
using Xunit.Abstractions;

namespace Diode.Tunnel.IntegrationTests.Paths;

/// <summary>A NAT forgets its mappings and makes others while packets go by a UDP port of the relay.</summary>
public sealed partial class NatRebindTests(ITestOutputHelper output)
{
    [Fact]
    public void A_new_outside_port_interrupts_a_path_by_relay_udp_for_a_moment_only()
    {
        using MeshWorld world = new() { Paths = "relay" };
        MeshDevice laptop = world.AddDeviceBehind("laptop", NatKind.EndpointIndependent);
        MeshDevice server = world.AddDevice("server");
        world.Found(laptop, server);
        server.Check("publish", "5201", "--to", "fleet");
        using HostedProcess ping = world.Net.Start("laptop", "ping", "-n", "-D", "-i", "0.05", server.Ipv4);
        laptop.WaitStatus("by UDP through the relay", s => s.Peers.Any(p => p.Path.Kind == PathKind.RelayUdp));
        string before = laptop.Peer(server).Endpoint!;
        using HostedProcess sink = world.Net.Start("server", "iperf3", "-s", "-1");
        Thread.Sleep(300);
        using HostedProcess source = world.Net.Start("laptop", "iperf3", "-c", server.Ipv4, "-b", "20M", "-t", "9", "-i", "1");
        Thread.Sleep(1500);

        double changed = (DateTime.UtcNow - DateTime.UnixEpoch).TotalSeconds;
        Rebind(world, laptop);
        laptop.WaitStatus(
            "another UDP port", s => s.Peers.Any(p => p.Path.Kind == PathKind.RelayUdp && p.Endpoint != before), TimeSpan.FromSeconds(40));
        string sent = source.WaitForExit(TimeSpan.FromSeconds(30));
        Assert.True(source.ExitCode == 0, sent);
        double[] times = [.. EchoTime().Matches(ping.Output).Select(static m => double.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture))];
        double gap = times.Zip(times.Skip(1), static (a, b) => b - a).Max();
        output.WriteLine($"longest pause {gap:0.00} s; {(DateTime.UtcNow - DateTime.UnixEpoch).TotalSeconds - changed:0.0} s in all\n{sent}");
        Assert.True(gap < 8, $"nothing came for {gap:0.0} s\n{world.Net.Logs()}");
    }

    /// <summary>Masquerading forgets the mappings of an interface that goes down; UDP has other ports from then on.</summary>
    private static void Rebind(MeshWorld world, MeshDevice device)
    {
        string router = device.Router!;
        string gateway = world.Net.Check(router, "ip", "route", "show", "default").Split(' ')[2];
        world.Net.Check(router, "nft", "insert", "rule", "ip", "nat4", "post", "oifname", "wan", "meta", "l4proto", "udp", "masquerade", "to", ":30000-30999");
        world.Net.Check(router, "ip", "link", "set", "wan", "down");
        world.Net.Check(router, "ip", "link", "set", "wan", "up");
        world.Net.Check(router, "ip", "route", "add", "default", "via", gateway);
    }

    [GeneratedRegex(@"^\[(\d+\.\d+)\] \d+ bytes from", RegexOptions.Multiline)]
    private static partial Regex EchoTime();
}
