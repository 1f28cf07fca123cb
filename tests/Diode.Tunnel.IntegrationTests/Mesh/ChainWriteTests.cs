using System.Globalization;
using System.Numerics;
using System.Text.Json;
using System.Text.Json.Nodes;
using Diode.Tunnel.Control;
using Diode.Tunnel.Control.Models;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Transactions;
using Diode.Tunnel.IntegrationTests.Evm;
using Diode.Tunnel.IntegrationTests.Namespaces;
using Xunit;
using Xunit.Abstractions;

namespace Diode.Tunnel.IntegrationTests.Mesh;

/// <summary>Fleets, names and exits written to a real EVM node by the real programs, through a relay.</summary>
public sealed class ChainWriteTests(ITestOutputHelper output)
{
    [Fact]
    public void A_fleet_a_name_and_an_exit_are_made_from_the_command_line()
    {
        using MeshWorld world = new();
        MeshDevice laptop = world.AddDevice("laptop");
        ChainLab.StartNode(world, isFree: false);
        world.AddRelays([], static _ => ["--chain", $"av=http://{MeshWorld.Web}:{ChainLab.NodePort}", "--meta-transactions", "yes"]);
        laptop.Environment = ["env", "DIODE_TUNNEL_CHAIN_QUORUM=1"];
        laptop.Start();
        string bns = ChainLab.Deploy(world, "BNS", []);
        string[] service = ["--chain", "av", "--contract", bns];
        string key = Path.Combine(world.Net.Folder, "operator.key");
        File.WriteAllText(key, ChainLab.OperatorKey + "\n");
        File.SetUnixFileMode(key, UnixFileMode.UserRead | UnixFileMode.UserWrite);

        // Without coins it is said what is missing; looking costs nothing.
        string plan = laptop.Check("fleet", "create", "home", "--chain", "av", "--dry-run");
        output.WriteLine(plan);
        Assert.Contains($"signed by  {laptop.Address}, transaction number 0", plan, StringComparison.Ordinal);
        Assert.Contains("balance    0 coins", plan, StringComparison.Ordinal);
        Assert.Contains($"via        relay {MeshWorld.RelayAddress}:41046", plan, StringComparison.Ordinal);
        Assert.Contains("Nothing was sent.", plan, StringComparison.Ordinal);
        CommandResult poor = laptop.Cli("fleet", "create", "home", "--chain", "av", "--yes");
        Assert.Contains("has too little on chain 'av'", poor.Output, StringComparison.Ordinal);
        Assert.NotEqual(0, poor.ExitCode);

        ActAtTheRelaysExpense(world, laptop, service);
        BigInteger wealth = Fund(world, laptop);
        ChainActionResult made = Act(laptop, "fleet", "create", "home", "--chain", "av");
        string fleet = "av:" + made.Contract;
        BigInteger left = Number(ChainLab.Rpc(world, "eth_getBalance", laptop.Address, "latest"));
        Assert.InRange(wealth - left, BigInteger.One, BigInteger.Parse(made.MostCost, CultureInfo.InvariantCulture));

        Assert.Equal(0, laptop.Cli("fleet", "list", fleet).ExitCode);
        Act(laptop, "fleet", "add", laptop.Address, "--fleet", fleet);
        laptop.Check("fleet", "join", fleet, "--name", "home");
        string other = "0x00000000000000000000000000000000000000aa";

        // Joined, it is known by name; and what was written is read at once.
        Act(laptop, "fleet", "add", other, "--fleet", "home");
        laptop.WaitStatus("the other device is a peer", s => s.Peers.Any(p => p.Device == other));
        Act(laptop, "fleet", "remove", other);
        laptop.WaitStatus("it is none any more", static s => s.Peers.Count == 0);
        Act(laptop, "fleet", "transfer", ChainLab.Operator, "--fleet", "home");
        string refused = laptop.Cli("fleet", "add", other, "--fleet", "home", "--yes").Output;
        Assert.Contains("Only the operator can call this method", refused, StringComparison.Ordinal);
        Act(laptop, "fleet", "add", other, "--fleet", "home", "--key", key);
        Assert.Contains(other, laptop.Check("fleet", "list", fleet), StringComparison.Ordinal);

        Assert.Equal(7, laptop.Cli(["bns", "lookup", "my-first-name", .. service]).ExitCode);
        Act(laptop, ["bns", "register", "My-First-Name", laptop.Address, other, .. service]);
        NameEntry name = JsonSerializer.Deserialize(
            laptop.Check(["bns", "lookup", "my-first-name.diode", "--json", .. service]), ControlJson.Default.NameEntry)!;
        Assert.Equal((laptop.Address, 2), (name.Owner, name.Destinations.Count));
        Assert.StartsWith("av: 1 of 1 relays agree at block", name.Assurance, StringComparison.Ordinal);
        Act(laptop, ["bns", "reverse", "my-first-name", .. service]);
        Assert.Contains("cannot be a name", laptop.Cli(["bns", "register", "short", .. service]).Output, StringComparison.Ordinal);
        Assert.Contains("Forward lookup failed", laptop.Cli(["bns", "reverse", "my-first-name", ChainLab.Operator, "--yes", .. service]).Output, StringComparison.Ordinal);
        Act(laptop, ["bns", "transfer", "my-first-name", ChainLab.Operator, .. service]);
        Assert.Contains("refuses it", laptop.Cli(["bns", "unregister", "my-first-name", "--yes", .. service]).Output, StringComparison.Ordinal);
        Act(laptop, ["bns", "unregister", "my-first-name", "--key", key, .. service]);
        Assert.Equal(7, laptop.Cli(["bns", "lookup", "my-first-name", .. service]).ExitCode);

        string directory = ChainLab.Deploy(world, "ExitDirectory", []);
        Act(laptop, "exit", "register", "--region", "de", "--ipv6", "--policy", "https://exit.example/policy", "--chain", "av", "--contract", directory);
        string count = ChainLab.Rpc(world, "eth_call", new JsonObject
        {
            ["to"] = directory,
            ["data"] = DeployedContract.Hex(DeployedContract.Encode("Count(string)", "de")),
        }, "latest")!.GetValue<string>();
        Assert.EndsWith("01", count, StringComparison.Ordinal);

        // Looked at by a device that knows the directory: what is listed, how that is known, and that a stranger's exit is no way out.
        laptop.Stop();
        laptop.Environment = ["env", "DIODE_TUNNEL_CHAIN_QUORUM=1", "DIODE_TUNNEL_EXIT_DIRECTORIES=av=" + directory];
        laptop.Launch();
        laptop.WaitReady();
        string listed = "";
        world.Net.WaitUntil("the directory is read", TimeSpan.FromSeconds(20), () => (listed = laptop.Check("exit", "list")).Contains("https://exit.example/policy", StringComparison.Ordinal));
        output.WriteLine(listed);
        Assert.Contains("1 of 1 relays agree at block", listed, StringComparison.Ordinal);
        Assert.Contains("an exit lets in only devices of a fleet with it", listed, StringComparison.Ordinal);
        Assert.Contains("1 of the community listed there cannot be used", laptop.Cli("exit", "use", "de").Output, StringComparison.Ordinal);
        Act(laptop, "exit", "unregister", "--chain", "av", "--contract", directory);
    }

    /// <summary>A name with two destinations, asked for by any program of the machine.</summary>
    [Fact]
    public void A_name_of_a_chain_resolves_to_virtual_addresses_of_what_it_stands_for()
    {
        using MeshWorld world = new();
        MeshDevice laptop = world.AddDevice("laptop");
        MeshDevice server = world.AddDevice("server");
        HostedProcess node = ChainLab.StartNode(world);
        world.AddRelays([], static _ => ["--chain", $"av=http://{MeshWorld.Web}:{ChainLab.NodePort}"]);
        string bns = ChainLab.Deploy(world, "BNS", []);
        laptop.Environment = ["env", "DIODE_TUNNEL_CHAIN_QUORUM=1", "DIODE_TUNNEL_NAME_SERVICES=av=" + bns];
        world.Found(laptop, server);
        string other = "0x00000000000000000000000000000000000000aa";
        Fund(world, laptop);
        Assert.Contains("status: NXDOMAIN", laptop.Run("dig", "my-first-name.diode").Output, StringComparison.Ordinal);
        string[] service = ["--chain", "av", "--contract", bns];
        Act(laptop, ["bns", "register", "my-first-name", server.Address, other, .. service]);

        // That nobody has it is believed for ten seconds.
        string[] found = [];
        world.Net.WaitUntil("the name resolves", TimeSpan.FromSeconds(30), () =>
            (found = laptop.Run("dig", "+short", "my-first-name.diode", "A").Output.Split('\n', StringSplitOptions.RemoveEmptyEntries)).Length == 2);
        Assert.Contains(server.Ipv4, found);
        Assert.Contains(server.Ipv6, laptop.Run("dig", "+short", "my-first-name.diode", "AAAA").Output, StringComparison.Ordinal);
        Assert.Contains(laptop.Status().Peers, p => p.Device == other && found.Contains(p.Ipv4));
        Act(laptop, ["bns", "register", "second-name", server.Address, .. service]);
        Assert.True(laptop.Pings("second-name.diode"));
        server.Check("publish", "80", "--to", "fleet");
        server.Serve("web", "80");
        Assert.NotNull(laptop.Get("http://second-name.diode/"));

        // Not only to the resolver: of several that a name stands for, the one that is there is meant.
        laptop.Check("ping", "my-first-name.diode", "-c", "1");
        laptop.Check("bind", "add", "5080:my-first-name:80:tls");
        Assert.NotNull(laptop.Get("http://127.0.0.1:5080/"));

        // With the chain gone, what is known counts, and of the rest nobody says that it does not exist.
        node.Signal("KILL");
        Assert.Contains(server.Ipv4, laptop.Run("dig", "+short", "second-name.diode", "A").Output, StringComparison.Ordinal);
        Assert.Contains("status: SERVFAIL", laptop.Run("dig", "+time=8", "never-asked-for.diode").Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_name_with_two_destinations_is_a_fleet()
    {
        using MeshWorld world = new();
        MeshDevice laptop = world.AddDevice("laptop");
        MeshDevice server = world.AddDevice("server");
        ChainLab.StartNode(world);
        world.AddRelays([], static _ => ["--chain", $"av=http://{MeshWorld.Web}:{ChainLab.NodePort}"]);
        string bns = ChainLab.Deploy(world, "BNS", []);
        MeshDevice[] members = [laptop, server];
        foreach (MeshDevice device in members)
        {
            device.Environment = ["env", "DIODE_TUNNEL_CHAIN_QUORUM=1", "DIODE_TUNNEL_NAME_SERVICES=av=" + bns];
            device.Start();
        }

        void Give(params MeshDevice[] devices) => ChainLab.Send(world, bns, DeployedContract.Encode(
            "RegisterMultiple(string,address[])", "office-net", devices.Select(static d => (object)Address.Parse(d.Address)).ToArray()));

        Give(laptop);
        Assert.Contains("fleet office-net.diode does not let this device in", server.Cli("fleet", "join", "av:office-net.diode").Output, StringComparison.OrdinalIgnoreCase);
        Give(members);
        foreach (MeshDevice device in members)
        {
            device.Check("fleet", "join", "av:office-net.diode");
        }

        MeshWorld.WaitMeshed(members);
        Assert.True(laptop.Pings(server.Ipv4));
        FleetSummary fleet = Assert.Single(laptop.Status().Fleets);
        Assert.Equal(("office-net", "office-net.diode", 2), (fleet.Name, fleet.Operator, fleet.MemberCount));
        Assert.Contains("proven at block", laptop.Check("fleet", "verify", "av:office-net.diode"), StringComparison.Ordinal);
        Assert.Contains(server.Ipv4, laptop.Run("dig", "+short", "office-net.diode", "A").Output, StringComparison.Ordinal);
        Assert.Contains("bns register office-net", laptop.Cli("fleet", "add", ChainLab.Operator, "--fleet", "office-net", "--yes").Output, StringComparison.Ordinal);

        Give(laptop);
        laptop.WaitStatus("the server is no peer any more", static s => s.Peers.Count == 0, TimeSpan.FromSeconds(10));
        Assert.False(server.Pings(laptop.Ipv4, 1));
        laptop.Check("fleet", "leave", "office-net.diode");
        laptop.WaitStatus("no fleet is left", static s => s.Fleets.Count == 0);
    }

    private void ActAtTheRelaysExpense(MeshWorld world, MeshDevice laptop, string[] service)
    {
        string[] register = ["bns", "register", "paid-by-relay", laptop.Address, "--meta", .. service];
        Assert.Contains("has no contract for calls that others pay for", laptop.Cli([.. register, "--yes"]).Output, StringComparison.Ordinal);
        Assert.Contains("can't be created at a relay's expense", laptop.Cli("fleet", "create", "home", "--chain", "av", "--meta", "--yes").Output, StringComparison.Ordinal);
        ChainLab.Rpc(world, "anvil_setCode", CallPermit.Contract.ToString(), DeployedContract.Hex(ContractArtifact.Load("CallPermit").Runtime));
        ChainLab.Rpc(world, "evm_mine");
        string plan = "";
        world.Net.WaitUntil(
            "the contract is seen", TimeSpan.FromSeconds(20), () => (plan = laptop.Cli([.. register, "--dry-run"]).Output).Contains("Nothing was sent.", StringComparison.Ordinal));
        output.WriteLine(plan);
        Assert.Contains("permit number 0", plan, StringComparison.Ordinal);
        Assert.Contains("paid by the relay", plan, StringComparison.Ordinal);

        // The relay has nothing to pay with yet.
        Assert.Contains("No relay sends it at its own expense", laptop.Cli([.. register, "--yes"]).Output, StringComparison.Ordinal);
        string relay = world.RelayUri[(world.RelayUri.IndexOf("//", StringComparison.Ordinal) + 2)..world.RelayUri.IndexOf('@', StringComparison.Ordinal)];
        ChainLab.Rpc(world, "anvil_setBalance", relay, "0xde0b6b3a7640000");
        ChainActionResult done = Act(laptop, register);
        Assert.Equal(("0", true), (done.MostCost, done.Deadline is not null));
        Assert.Contains(laptop.Address, laptop.Check(["bns", "lookup", "paid-by-relay", .. service]), StringComparison.Ordinal);
        Assert.Equal(0, (int)Number(ChainLab.Rpc(world, "eth_getBalance", laptop.Address, "latest")));
    }

    private static BigInteger Fund(MeshWorld world, MeshDevice device)
    {
        BigInteger wealth = BigInteger.Pow(10, 18);
        ChainLab.Rpc(world, "anvil_setBalance", device.Address, "0x" + wealth.ToString("x", CultureInfo.InvariantCulture));

        // Without a new block nothing has changed, as far as relays know.
        ChainLab.Rpc(world, "evm_mine");
        world.Net.WaitUntil(
            "the coins are seen", TimeSpan.FromSeconds(20),
            () => device.Check("fleet", "create", "home", "--chain", "av", "--dry-run").Contains("balance    1 coins", StringComparison.Ordinal));
        return wealth;
    }

    private static ChainActionResult Act(MeshDevice device, params string[] arguments)
    {
        // The description goes to the error output, which is returned, too: the document is what is between the braces.
        string text = device.Check([.. arguments, "--yes", "--json"]);
        ChainActionResult done = JsonSerializer.Deserialize(text[text.IndexOf('{', StringComparison.Ordinal)..(text.LastIndexOf('}') + 1)], ControlJson.Default.ChainActionResult)!;
        Assert.True(done.Confirmed, text);
        return done;
    }

    private static BigInteger Number(JsonNode? hex) =>
        BigInteger.Parse("0" + hex!.GetValue<string>()[2..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
}
