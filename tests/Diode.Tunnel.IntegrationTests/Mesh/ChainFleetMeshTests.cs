using System.Globalization;
using System.Text.Json.Nodes;
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
    private const string Internet = "inet";
    private const string NodePort = "8545";
    private const string LiarPort = "8546";
    private static readonly TimeSpan Promise = TimeSpan.FromSeconds(10);
    private static readonly string Operator = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";

    [Fact]
    public void Contract_admits_and_removes_and_a_liar_does_neither()
    {
        using MeshWorld world = new();
        MeshDevice laptop = world.AddDevice("laptop");
        MeshDevice server = world.AddDevice("server");
        MeshDevice phone = world.AddDevice("phone");
        MeshDevice intruder = world.AddDevice("intruder");
        HostedProcess node = StartNode(world);
        intruder.Launch();
        intruder.WaitReady();
        StartLiar(world, intruder.Address);
        string contract = Deploy(world);
        intruder.Stop();

        // Three operators, as far as a device can tell.
        string chains = string.Join(
            ',', $"av=http://{MeshWorld.Web}:{LiarPort}", $"av=http://{MeshWorld.Web}:{NodePort}", $"av=http://{MeshWorld.DeviceNameServer}:{NodePort}");
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
            Send(world, contract, DeployedContract.Encode("SetDeviceAllowlist(address,bool)", Address.Parse(device.Address), true));
        }

        foreach (MeshDevice device in members)
        {
            device.Check("fleet", "join", contract, "--name", MeshWorld.Fleet);
        }

        Assert.NotEqual(0, intruder.Cli("fleet", "join", contract).ExitCode);
        MeshWorld.WaitMeshed(members);
        string verified = server.Check("fleet", "verify", "av:" + contract);
        Assert.Contains("proven at block", verified, StringComparison.Ordinal);
        Assert.Contains($"contradicted by http://{MeshWorld.Web}:{LiarPort}", verified, StringComparison.Ordinal);
        FleetSummary fleet = Assert.Single(server.Status().Fleets);
        Assert.Equal((MeshWorld.Fleet, contract, 3), (fleet.Name, fleet.Operator, fleet.MemberCount));
        Assert.DoesNotContain(server.Status().Peers, p => p.Device == intruder.Address);

        server.Check("publish", "80", "--to", "fleet");
        server.Serve("web", "80");
        HostedProcess stream = world.Net.Start("phone", "curl", "-s", "-N", $"http://{server.Ipv4}/stream");
        world.Net.WaitUntil("the transfer runs", TimeSpan.FromSeconds(20), () => Lines(stream) > 5);
        double asked = Now();
        Send(world, contract, DeployedContract.Encode("SetDeviceAllowlist(address,bool)", Address.Parse(phone.Address), false));
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
        StartNode(world);
        intruder.Launch();
        intruder.WaitReady();
        StartLiar(world, intruder.Address);
        intruder.Stop();
        string[] more = world.AddRelays(
            ["berlin", "chicago"], name => ["--chain", $"av=http://{MeshWorld.Web}:{(name == "relay" ? LiarPort : NodePort)}"]);
        string liar = $"relay {MeshWorld.RelayAddress}:41046";
        string contract = Deploy(world);
        MeshDevice[] devices = [laptop, server, intruder];
        foreach (MeshDevice device in devices)
        {
            device.RelayUri = string.Join(',', [world.RelayUri, .. more]);
            device.Launch();
        }

        foreach (MeshDevice device in devices)
        {
            device.WaitStatus("three relays", static s => s.Relays.Count(static r => r.State == RelayState.Connected) == 3);
        }

        MeshDevice[] members = [laptop, server];
        foreach (MeshDevice device in members)
        {
            Send(world, contract, DeployedContract.Encode("SetDeviceAllowlist(address,bool)", Address.Parse(device.Address), true));
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

        // A removal is seen through the relays in time.
        double asked = Now();
        Send(world, contract, DeployedContract.Encode("SetDeviceAllowlist(address,bool)", Address.Parse(laptop.Address), false));
        server.WaitStatus("the laptop is no peer any more", s => s.Peers.All(p => p.Device != laptop.Address), Promise);
        output.WriteLine($"cut {Now() - asked:0.0} s after the removal was sent to the chain");

        // Two relays are left, one of them the liar: it takes both to agree on a block, but a proof is a proof.
        world.Stop("chicago");
        Send(world, contract, DeployedContract.Encode("SetDeviceAllowlist(address,bool)", Address.Parse(laptop.Address), true));
        server.WaitStatus("the laptop is a peer again", s => s.Peers.Any(p => p.Device == laptop.Address));
        server.WaitStatus("two relays", static s => s.Fleets.Any(static f => f.Assurance.Contains("of 2 relays agree", StringComparison.Ordinal)));
        Assert.Contains("contradicted by " + liar, server.Status().Fleets[0].Assurance, StringComparison.Ordinal);
        Assert.DoesNotContain(server.Status().Peers, p => p.Device == intruder.Address);

        // One is not enough: what is known stays, and how old that is can be seen.
        world.Stop("berlin");
        server.WaitStatus("cached", static s => s.Fleets.Any(static f => f.Assurance.Contains("cached at", StringComparison.Ordinal)));
    }

    private static HostedProcess StartNode(MeshWorld world)
    {
        HostedProcess node = world.Net.Start(
            Internet, [AnvilNode.Program, .. AnvilNode.Arguments("0.0.0.0", 8545), "--gas-price", "0", "--block-base-fee-per-gas", "0"]);
        world.Net.WaitUntil("the chain answers", TimeSpan.FromSeconds(20), () => Rpc(world, "eth_chainId") is not null);
        return node;
    }

    private static void StartLiar(MeshWorld world, string device)
    {
        HostedProcess liar = world.Net.Start(
            Internet, "/usr/bin/python3", Path.Combine(AppContext.BaseDirectory, "Evm", "lying_endpoint.py"), MeshWorld.Web, LiarPort,
            $"http://127.0.0.1:{NodePort}", device);
        world.Net.WaitUntil("the liar answers", TimeSpan.FromSeconds(15), () => liar.Output.Contains("ready", StringComparison.Ordinal));
    }

    private static double Now() => (DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).TotalSeconds;

    private static int Lines(HostedProcess process) => process.Output.Count(static c => c == '\n');

    private static string Deploy(MeshWorld world)
    {
        Address fleetOperator = Address.Parse(Operator);
        string hash = Submit(world, null, [.. ContractArtifact.Load("FleetContract").Bytecode, .. AbiText.Encode("address,address", fleetOperator, fleetOperator)]);
        return Receipt(world, hash)["contractAddress"]!.GetValue<string>();
    }

    private static void Send(MeshWorld world, string contract, byte[] data) =>
        Assert.Equal("0x1", Receipt(world, Submit(world, contract, data))["status"]!.GetValue<string>());

    private static string Submit(MeshWorld world, string? to, byte[] data)
    {
        var transaction = new JsonObject { ["from"] = Operator, ["data"] = DeployedContract.Hex(data), ["gas"] = "0x1c9c380" };
        if (to is not null)
        {
            transaction["to"] = to;
        }

        return Rpc(world, "eth_sendTransaction", transaction)!.GetValue<string>();
    }

    private static JsonNode Receipt(MeshWorld world, string hash)
    {
        JsonNode? receipt = null;
        world.Net.WaitUntil("the transaction is in a block", TimeSpan.FromSeconds(10), () => (receipt = Rpc(world, "eth_getTransactionReceipt", hash)) is not null);
        return receipt!;
    }

    // The node is in a namespace, so a program in there has to ask it.
    private static JsonNode? Rpc(MeshWorld world, string method, params JsonNode[] parameters)
    {
        string body = new JsonObject { ["jsonrpc"] = "2.0", ["id"] = 1, ["method"] = method, ["params"] = new JsonArray(parameters) }.ToJsonString();
        string file = Path.Combine(world.Net.Folder, "request.json");
        File.WriteAllText(file, body);
        CommandResult result = world.Net.Run(
            Internet, "curl", "-s", "-m", "5", "-H", "Content-Type: application/json", "-d", "@" + file, string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{NodePort}"));
        return result.ExitCode == 0 ? JsonNode.Parse(result.Output)!["result"] : null;
    }
}
