using System.Diagnostics;
using Diode.Tunnel.Control;
using Diode.Tunnel.Control.Models;
using Xunit;
using Xunit.Abstractions;

namespace Diode.Tunnel.IntegrationTests.Mesh;

/// <summary>Two devices, each with a relay of its own: they meet at the relay that a ticket names, and again at another one.</summary>
public sealed class TwoRelaysTests(ITestOutputHelper output)
{
    [Fact]
    public void Devices_of_different_relays_reach_each_other_and_follow_a_move()
    {
        using MeshWorld world = new() { Paths = "stream" };
        string[] relays = world.AddRelays("berlin", "chicago");
        MeshDevice laptop = world.AddDevice("laptop");
        MeshDevice server = world.AddDevice("server");
        server.RelayUri = relays[0];
        world.Found(laptop, server);
        Assert.True(laptop.Pings(server.Ipv4));
        Assert.True(server.Pings(laptop.Ipv6));

        // One of the two went to the other's relay, and says so.
        RelayStatus[] visited = [.. laptop.Status().Relays.Concat(server.Status().Relays).Where(static r => r.ForPeers)];
        Assert.NotEmpty(visited);
        Assert.All(visited, r => Assert.Contains(r.Uri, (string[])[world.RelayUri, relays[0]]));
        TicketLedger ledger = laptop.Json("ticket status", ControlJson.Default.TicketLedger);
        Assert.Contains(ledger.Relays, r => r.Connected && r.PaidBytes > 0 && r is { UnpaidBytes: 0, Overclaimed: false });

        world.Stop("berlin");
        server.Stop();
        server.RelayUri = relays[1];
        long started = Stopwatch.GetTimestamp();
        server.Start();
        output.WriteLine($"connected again after {Stopwatch.GetElapsedTime(started).TotalSeconds:0.0} s");
        world.Net.WaitUntil("the laptop finds the server", TimeSpan.FromSeconds(30), () => laptop.Pings(server.Ipv4, 1));
        output.WriteLine($"reached again after {Stopwatch.GetElapsedTime(started).TotalSeconds:0.0} s");
    }
}
