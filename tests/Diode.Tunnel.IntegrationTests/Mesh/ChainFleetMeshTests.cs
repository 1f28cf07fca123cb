using Diode.Tunnel.Control.Models;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.IntegrationTests.Evm;
using Diode.Tunnel.IntegrationTests.Namespaces;
using Xunit;
using Xunit.Abstractions;

namespace Diode.Tunnel.IntegrationTests.Mesh;

/// <summary>A fleet that a contract on a real EVM node decides, read by three endpoints of which one lies.</summary>
public sealed class ChainFleetMeshTests(ITestOutputHelper output)
{
    private static readonly TimeSpan Promise = TimeSpan.FromSeconds(10);

    [Fact]
    public void Contract_admits_and_removes_and_a_liar_does_neither()
    {
        using MeshWorld world = new();
        MeshDevice laptop = world.AddDevice("laptop");
        MeshDevice server = world.AddDevice("server");
        MeshDevice phone = world.AddDevice("phone");
        MeshDevice intruder = world.AddDevice("intruder");
        HostedProcess node = ChainLab.StartNode(world);
        intruder.Launch();
        intruder.WaitReady();
        ChainLab.StartLiar(world, intruder.Address);
        string contract = ChainLab.Deploy(world);
        intruder.Stop();

        // Three operators, as far as a device can tell.
        string chains = string.Join(
            ',', $"av=http://{MeshWorld.Web}:{ChainLab.LiarPort}", $"av=http://{MeshWorld.Web}:{ChainLab.NodePort}", $"av=http://{MeshWorld.DeviceNameServer}:{ChainLab.NodePort}");
        MeshDevice[] members = [laptop, server, phone];
        foreach (MeshDevice device in members.Append(intruder))
        {
            device.Environment = ["env", "DIODE_TUNNEL_CHAIN=" + chains];
            device.Launch();
        }

        foreach (MeshDevice device in members.Append(intruder))
        {
            device.WaitReady();
        }

        // Not before the operator says so.
        Assert.Contains("does not let this device in", laptop.Cli("fleet", "join", contract).Output, StringComparison.Ordinal);
        foreach (MeshDevice device in members)
        {
            ChainLab.Send(world, contract, DeployedContract.Encode("SetDeviceAllowlist(address,bool)", Address.Parse(device.Address), true));
        }

        foreach (MeshDevice device in members)
        {
            device.Check("fleet", "join", contract, "--name", MeshWorld.Fleet);
        }

        Assert.NotEqual(0, intruder.Cli("fleet", "join", contract).ExitCode);
        MeshWorld.WaitMeshed(members);
        string verified = server.Check("fleet", "verify", "av:" + contract);
        Assert.Contains("proven at block", verified, StringComparison.Ordinal);
        Assert.Contains($"contradicted by http://{MeshWorld.Web}:{ChainLab.LiarPort}", verified, StringComparison.Ordinal);
        FleetSummary fleet = Assert.Single(server.Status().Fleets);
        Assert.Equal((MeshWorld.Fleet, contract, 3), (fleet.Name, fleet.Operator, fleet.MemberCount));
        Assert.DoesNotContain(server.Status().Peers, p => p.Device == intruder.Address);

        server.Check("publish", "80", "--to", "fleet");
        server.Serve("web", "80");
        HostedProcess stream = world.Net.Start("phone", "curl", "-s", "-N", $"http://{server.Ipv4}/stream");
        world.Net.WaitUntil("the transfer runs", TimeSpan.FromSeconds(20), () => Lines(stream) > 5);
        double asked = Now();
        ChainLab.Send(world, contract, DeployedContract.Encode("SetDeviceAllowlist(address,bool)", Address.Parse(phone.Address), false));
        server.WaitStatus("the phone is no peer any more", s => s.Peers.All(p => p.Device != phone.Address), Promise);
        double cut = Now() - asked;
        int count = Lines(stream);
        Thread.Sleep(TimeSpan.FromSeconds(2));
        Assert.True(Lines(stream) - count <= 1, "the transfer goes on");
        output.WriteLine($"cut {cut:0.0} s after the removal was sent to the chain");
        Assert.False(phone.Pings(server.Ipv4, 1));
        Assert.True(laptop.Pings(server.Ipv4));

        // A restart with no chain in reach: the members are known, and how old that is, too.
        node.Signal("KILL");
        server.Stop();
        server.Launch();
        server.WaitReady();
        server.WaitStatus("cached members", s => s.Fleets.Any(f => f.Assurance.Contains("cached at", StringComparison.Ordinal)));
        server.WaitStatus("the laptop is met again", s => s.Peers.Any(p => p.Device == laptop.Address && p.Online));

        // The laptop's side of the old session has to notice first.
        world.Net.WaitUntil("the laptop reaches the server again", TimeSpan.FromSeconds(30), () => laptop.Pings(server.Ipv4, 1));
        laptop.Check("fleet", "leave", MeshWorld.Fleet);
        laptop.WaitStatus("no fleet is left", s => s.Fleets.Count == 0 && s.Peers.Count == 0);
    }

    /// <summary>No endpoint is configured: three relays read the chain, and the nearest of them sees it through a liar.</summary>
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
        double asked = Now();
        ChainLab.Send(world, contract, DeployedContract.Encode("SetDeviceAllowlist(address,bool)", Address.Parse(laptop.Address), false));
        server.WaitStatus("the laptop is no peer any more", s => s.Peers.All(p => p.Device != laptop.Address), Promise);
        output.WriteLine($"cut {Now() - asked:0.0} s after the removal was sent to the chain");

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

    private static double Now() => (DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).TotalSeconds;

    private static int Lines(HostedProcess process) => process.Output.Count(static c => c == '\n');
}
