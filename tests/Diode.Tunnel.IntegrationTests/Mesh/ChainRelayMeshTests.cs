using System.Diagnostics;
using Diode.Tunnel.Control.Models;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.IntegrationTests.Evm;
using Xunit;
using Xunit.Abstractions;

namespace Diode.Tunnel.IntegrationTests.Mesh;

/// <summary>No endpoint is configured: three relays read the chain, and the nearest of them sees it through a liar.</summary>
public sealed class ChainRelayMeshTests(ITestOutputHelper output)
{
    [Fact]
    public void Relays_read_the_contract_and_a_lying_one_does_not_get_its_device_in()
    {
        using MeshWorld world = new();
        MeshDevice laptop = world.AddDevice("laptop");
        MeshDevice server = world.AddDevice("server");
        MeshDevice intruder = world.AddDevice("intruder");
        ChainLab.StartNode(world);
        intruder.Launch();
        intruder.WaitReady();
        ChainLab.StartLiar(world, intruder.Address);
        intruder.Stop();
        string[] more = world.AddRelays(
            ["berlin", "delhi", "chicago"], name => ["--chain", $"av=http://{MeshWorld.Web}:{(name == "relay" ? ChainLab.LiarPort : ChainLab.NodePort)}"]);
        string liar = $"relay {MeshWorld.RelayAddress}:41046";
        string contract = ChainLab.Deploy(world);
        MeshDevice[] devices = [laptop, server, intruder];
        foreach (MeshDevice device in devices)
        {
            device.RelayUri = string.Join(',', world.RelayUri, more[0], more[2]);
            device.Launch();
        }

        foreach (MeshDevice device in devices)
        {
            device.WaitStatus("three relays", static s => s.Relays.Count(static r => r.State == RelayState.Connected) == 3);
        }

        MeshDevice[] members = [laptop, server];
        foreach (MeshDevice device in members)
        {
            ChainLab.Send(world, contract, DeployedContract.Encode("SetDeviceAllowlist(address,bool)", Address.Parse(device.Address), true));
        }

        foreach (MeshDevice device in members)
        {
            device.Check("fleet", "join", "av:" + contract, "--name", MeshWorld.Fleet);
        }

        string refusal = intruder.Cli("fleet", "join", "av:" + contract).Output;
        Assert.Contains("does not let this device in", refusal, StringComparison.Ordinal);
        MeshWorld.WaitMeshed(members);
        Assert.True(laptop.Pings(server.Ipv4));
        DaemonStatus status = server.Status();
        FleetSummary fleet = Assert.Single(status.Fleets);
        output.WriteLine(fleet.Assurance);
        Assert.StartsWith("av: proven at block", fleet.Assurance, StringComparison.Ordinal);
        Assert.Contains("of 3 relays agree", fleet.Assurance, StringComparison.Ordinal);
        Assert.Contains("contradicted by " + liar, fleet.Assurance, StringComparison.Ordinal);
        Assert.Contains(status.Health, h => h.Code == "RELAY_CONTRADICTED" && h.Text.Contains(MeshWorld.RelayAddress, StringComparison.Ordinal));
        Assert.Contains("contradicted by " + liar, laptop.Check("fleet", "verify", "av:" + contract), StringComparison.Ordinal);
        Assert.DoesNotContain(status.Peers, p => p.Device == intruder.Address);

        JoinPerimeter(world, server, laptop, more[1]);

        // A removal is seen through the relays in time.
        long asked = Stopwatch.GetTimestamp();
        ChainLab.Send(world, contract, DeployedContract.Encode("SetDeviceAllowlist(address,bool)", Address.Parse(laptop.Address), false));
        server.WaitStatus("the laptop is no peer any more", s => s.Peers.All(p => p.Device != laptop.Address), ChainFleetMeshTests.Promise);
        output.WriteLine($"cut {Stopwatch.GetElapsedTime(asked).TotalSeconds:0.0} s after the removal was sent to the chain");

        // Two relays are left, one of them the liar: it takes both to agree on a block, but a proof is a proof.
        world.Stop("chicago");
        ChainLab.Send(world, contract, DeployedContract.Encode("SetDeviceAllowlist(address,bool)", Address.Parse(laptop.Address), true));
        server.WaitStatus("the laptop is a peer again", s => s.Peers.Any(p => p.Device == laptop.Address));
        server.WaitStatus("two relays", static s => s.Fleets.Any(static f => f.Assurance.Contains("of 2 relays agree", StringComparison.Ordinal)));
        Assert.Contains("contradicted by " + liar, server.Status().Fleets[0].Assurance, StringComparison.Ordinal);
        Assert.DoesNotContain(server.Status().Peers, p => p.Device == intruder.Address);

        // One is not enough: what is known stays, and how old that is can be seen.
        world.Stop("berlin");
        server.WaitStatus("cached", static s => s.Fleets.Any(static f => f.Assurance.Contains("cached at", StringComparison.Ordinal)));
    }

    /// <summary>What a perimeter says reaches the packet filter and the relays, and leaving takes it back.</summary>
    private static void JoinPerimeter(MeshWorld world, MeshDevice server, MeshDevice laptop, string fourthRelay)
    {
        const string Set = "setDeviceProperty(address,string,string)";
        string perimeter = ChainLab.Deploy(world, "Perimeter", AbiText.Encode("address,string", Address.Parse(ChainLab.Operator), "office"));
        Address device = Address.Parse(server.Address);
        Assert.Contains("does not know this device (DNE)", server.Cli("join", "av:" + perimeter).Output, StringComparison.Ordinal);
        ChainLab.Send(world, perimeter, DeployedContract.Encode("createDevice(address,string,string,string,string)", device, "server", "", "", ""));
        ChainLab.Send(world, perimeter, DeployedContract.Encode(Set, device, "protected", "80"));
        ChainLab.Send(world, perimeter, DeployedContract.Encode(Set, device, "diodeaddrs", fourthRelay));
        server.Serve("web", "80");
        string[] curl = ["curl", "-s", "-m", "2", "-o", "/dev/null", $"http://{server.Ipv4}/"];
        Assert.NotEqual(0, world.Net.Run("laptop", curl).ExitCode);
        Assert.Contains("in force", server.Check("join", perimeter, "--chain", "av"), StringComparison.Ordinal);
        Assert.Contains("perimeter", server.Check("publish", "list"), StringComparison.Ordinal);
        Assert.Equal(0, world.Net.Run("laptop", curl).ExitCode);
        server.WaitStatus("the perimeter's relay is connected", static s => s.Relays.Count(static r => r.State == RelayState.Connected) == 4);

        // Who names a relay to a device has no say in what that device believes about chains.
        Assert.Contains("of 3 relays agree", server.Check("join", perimeter, "--chain", "av"), StringComparison.Ordinal);
        server.Check("leave");
        Assert.NotEqual(0, world.Net.Run("laptop", curl).ExitCode);
        server.WaitStatus("its relay is gone", static s => s.Relays.Count == 3);
    }
}
