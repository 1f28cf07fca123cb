using System.Globalization;
using System.Text.Json.Nodes;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.IntegrationTests.Evm;
using Diode.Tunnel.IntegrationTests.Namespaces;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.Mesh;

/// <summary>A real EVM node on the internet of a <see cref="MeshWorld"/>, and one that lies about it.</summary>
internal static class ChainLab
{
    internal const string NodePort = "8545";
    internal const string LiarPort = "8546";

    /// <summary>The node's first account and its key, which every such node has.</summary>
    internal const string Operator = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";
    internal const string OperatorKey = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

    private const string Internet = "inet";

    internal static HostedProcess StartNode(MeshWorld world, bool isFree = true)
    {
        string[] fees = isFree ? ["--gas-price", "0", "--block-base-fee-per-gas", "0"] : [];
        HostedProcess node = world.Net.Start(Internet, [AnvilNode.Program, .. AnvilNode.Arguments("0.0.0.0", 8545), .. fees]);
        world.Net.WaitUntil("the chain answers", TimeSpan.FromSeconds(20), () => Rpc(world, "eth_chainId") is not null);
        return node;
    }

    internal static void StartLiar(MeshWorld world, string device)
    {
        HostedProcess liar = world.Net.Start(
            Internet, "/usr/bin/python3", Path.Combine(AppContext.BaseDirectory, "Evm", "lying_endpoint.py"), MeshWorld.Web, LiarPort,
            $"http://127.0.0.1:{NodePort}", device);
        world.Net.WaitUntil("the liar answers", TimeSpan.FromSeconds(15), () => liar.Output.Contains("ready", StringComparison.Ordinal));
    }

    /// <summary>A fleet of the node's first account.</summary>
    internal static string Deploy(MeshWorld world) =>
        Deploy(world, "FleetContract", AbiText.Encode("address,address", Address.Parse(Operator), Address.Parse(Operator)));

    internal static string Deploy(MeshWorld world, string contract, byte[] arguments) =>
        Receipt(world, Submit(world, null, [.. ContractArtifact.Load(contract).Bytecode, .. arguments]))["contractAddress"]!.GetValue<string>();

    internal static void Send(MeshWorld world, string contract, byte[] data) =>
        Assert.Equal("0x1", Receipt(world, Submit(world, contract, data))["status"]!.GetValue<string>());

    internal static string Submit(MeshWorld world, string? to, byte[] data)
    {
        var transaction = new JsonObject { ["from"] = Operator, ["data"] = DeployedContract.Hex(data), ["gas"] = "0x1c9c380" };
        if (to is not null)
        {
            transaction["to"] = to;
        }

        return Rpc(world, "eth_sendTransaction", transaction)!.GetValue<string>();
    }

    internal static JsonNode Receipt(MeshWorld world, string hash)
    {
        JsonNode? receipt = null;
        world.Net.WaitUntil("the transaction is in a block", TimeSpan.FromSeconds(10), () => (receipt = Rpc(world, "eth_getTransactionReceipt", hash)) is not null);
        return receipt!;
    }

    // The node is in a namespace, so a program in there has to ask it.
    internal static JsonNode? Rpc(MeshWorld world, string method, params JsonNode[] parameters)
    {
        string body = new JsonObject { ["jsonrpc"] = "2.0", ["id"] = 1, ["method"] = method, ["params"] = new JsonArray(parameters) }.ToJsonString();
        string file = Path.Combine(world.Net.Folder, "request.json");
        File.WriteAllText(file, body);
        CommandResult result = world.Net.Run(
            Internet, "curl", "-s", "-m", "5", "-H", "Content-Type: application/json", "-d", "@" + file, string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{NodePort}"));
        return result.ExitCode == 0 ? JsonNode.Parse(result.Output)!["result"] : null;
    }
}
