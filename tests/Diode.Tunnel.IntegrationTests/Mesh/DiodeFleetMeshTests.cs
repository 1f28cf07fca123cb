using System.Diagnostics;
using Diode.Tunnel.Control.Models;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Testing.DiodeL1;
using Xunit;
using Xunit.Abstractions;

namespace Diode.Tunnel.IntegrationTests.Mesh;

/// <summary>
/// A fleet on a small Diode L1, read through three relays of which one shows a chain of its own. The contract keeps no list, as the older
/// ones do not: a device is proven when somebody means it, or when it knocks.
/// </summary>
public sealed class DiodeFleetMeshTests(ITestOutputHelper output)
{
    private const int Deciding = 9; // six confirmations, and three of five miners

    [Fact]
    public void Contract_on_Diode_L1_admits_and_removes_and_a_lying_relay_does_neither()
    {
        using MeshWorld world = new();
        MeshDevice laptop = world.AddDevice("laptop");
        MeshDevice server = world.AddDevice("server");
        MeshDevice intruder = world.AddDevice("intruder");
        using DiodeLab chain = new(static () => DateTimeOffset.UtcNow, lists: false);
        string anchor = chain.Trust(chain.Peak.Number).ToString();
        chain.Mine(150);
        using DiodeLab fork = chain.Fork(chain.Peak.Number - 20);
        using DiodeNode node = new(world, "8545", chain);
        using DiodeNode liarsNode = new(world, "8546", fork);
        string[] more = world.AddRelays(["berlin", "chicago"], name => ["--chain", (name == "relay" ? liarsNode : node).Url]);
        string liar = $"relay {MeshWorld.RelayAddress}:41046";
        string contract = "diode:" + DiodeLab.Contract;
        MeshDevice[] devices = [laptop, server, intruder];
        foreach (MeshDevice device in devices)
        {
            device.RelayUri = string.Join(',', [world.RelayUri, .. more]);
            device.Options = ["--l1-anchor", anchor];
            device.Launch();
        }

        foreach (MeshDevice device in devices)
        {
            device.WaitStatus("three relays", static s => s.Relays.Count(static r => r.State == RelayState.Connected) == 3);
        }

        MeshDevice[] members = [laptop, server];
        foreach (MeshDevice device in members)
        {
            chain.SetMember(Address.Parse(device.Address), true);
            fork.SetMember(Address.Parse(device.Address), true);
        }

        fork.SetMember(Address.Parse(intruder.Address), true);
        chain.Mine(Deciding);
        fork.Mine(90);
        foreach (MeshDevice device in members)
        {
            world.Net.WaitUntil(
                "the block is final for the relays, too", TimeSpan.FromSeconds(60), () => device.Cli("fleet", "join", contract, "--name", MeshWorld.Fleet).ExitCode == 0);
        }

        Assert.Contains("does not let this device in", intruder.Cli("fleet", "join", contract).Output, StringComparison.Ordinal);
        Assert.Equal(1, Assert.Single(server.Status().Fleets).MemberCount);
        world.Net.WaitUntil("the server is met by its address", TimeSpan.FromSeconds(30), () => laptop.Pings(server.Address + ".diode", 1));
        MeshWorld.WaitMeshed(members);
        intruder.Pings(server.Address + ".diode", 1);
        chain.Mine();
        server.WaitStatus("the liar is named", s => s.Fleets.Any(f => f.Assurance.Contains("contradicted by " + liar, StringComparison.Ordinal)));
        DaemonStatus status = server.Status();
        output.WriteLine(Assert.Single(status.Fleets).Assurance);
        Assert.StartsWith("diode: proven (BlockQuick, block ", status.Fleets[0].Assurance, StringComparison.Ordinal);
        Assert.Contains(status.Health, h => h.Code == "RELAY_CONTRADICTED" && h.Text.Contains(MeshWorld.RelayAddress, StringComparison.Ordinal));
        Assert.DoesNotContain(status.Peers, p => p.Device == intruder.Address);
        string verified = laptop.Check("fleet", "verify", contract);
        output.WriteLine(verified);
        Assert.Contains("proven (BlockQuick, block ", verified, StringComparison.Ordinal);

        // Not when the block is there, but when enough miners have built on it.
        chain.SetMember(Address.Parse(laptop.Address), false);
        chain.Mine(Deciding - 1);
        Thread.Sleep(TimeSpan.FromSeconds(1));
        Assert.Contains(server.Status().Peers, p => p.Device == laptop.Address);
        var asked = Stopwatch.StartNew();
        chain.Mine();
        server.WaitStatus("the laptop is no peer any more", s => s.Peers.All(p => p.Device != laptop.Address));
        output.WriteLine($"cut {asked.Elapsed.TotalSeconds:0.0} s after the block was final");
        Assert.False(server.Pings(laptop.Ipv4, 1));

        // Nobody serves Diode L1 any more, and a restart: what was proven last is known, and how old it is.
        node.Forwarder.Signal("KILL");
        liarsNode.Forwarder.Signal("KILL");
        server.Stop();
        server.Launch();
        server.WaitReady();
        server.WaitStatus("cached members", s => s.Fleets.Any(f => f is { MemberCount: 1 } && f.Assurance.Contains("cached at", StringComparison.Ordinal)));
        output.WriteLine(server.Status().Fleets[0].Assurance);
    }
}
