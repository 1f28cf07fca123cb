using System.Diagnostics;
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
    internal static readonly TimeSpan Promise = TimeSpan.FromSeconds(10);

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
        long asked = Stopwatch.GetTimestamp();
        ChainLab.Send(world, contract, DeployedContract.Encode("SetDeviceAllowlist(address,bool)", Address.Parse(phone.Address), false));
        server.WaitStatus("the phone is no peer any more", s => s.Peers.All(p => p.Device != phone.Address), Promise);
        TimeSpan cut = Stopwatch.GetElapsedTime(asked);
        int count = Lines(stream);
        Thread.Sleep(TimeSpan.FromSeconds(2));
        Assert.True(Lines(stream) - count <= 1, "the transfer goes on");
        output.WriteLine($"cut {cut.TotalSeconds:0.0} s after the removal was sent to the chain");
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

    private static int Lines(HostedProcess process) => process.Output.Count(static c => c == '\n');
}
