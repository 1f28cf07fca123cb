using System.Text.Json.Nodes;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Abi;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.Evm;

/// <summary>The conformance vectors of the real contracts (abi.json) played against ours, on the addresses they were recorded at.</summary>
public sealed class ContractVectorTests : IDisposable
{
    // A free slot that happens to be public; proxies and inheritance that ours has no use for.
    private static readonly string[] NotOurs = ["_reserved()", "initialize()"];

    private readonly AnvilNode _node = new();

    private static readonly JsonNode[] Cases = [.. JsonNode.Parse(File.ReadAllText(
        Path.Combine(ContractArtifact.RepositoryRoot, "tests", "vectors", "abi.json")))!["cases"]!.AsArray().Select(static c => c!)];

    public void Dispose() => _node.Dispose();

    [Fact]
    public void Names_answer_as_recorded()
    {
        // Blocks are part of the answers: the first transaction belongs into block 9.
        _node.Call("anvil_mine", "0x" + (8 - _node.BlockNumber()).ToString("x", null));
        Dictionary<string, DeployedContract> contracts = Place("BNS", "BNS");
        Assert.Equal(59, Play(contracts, "BNS", address => address));
        Assert.Equal(18, Cases.Count(c => Kind(c) == "name_validity" && CheckName(contracts.Values.First(), c)));
    }

    [Fact]
    public void Fleets_answer_as_recorded()
    {
        Dictionary<string, DeployedContract> contracts = Place("FleetContract", "FleetContractUpgradeable");
        foreach (DeployedContract fleet in contracts.Values)
        {
            fleet.Send(
                _node.Accounts[0], "initialize(address,address)",
                Address.Parse("0x70997970c51812dc3a010c7d01b50e0d17dc79c8"), Address.Parse("0x90f79bf6eb2c4f870365e785982e1f101e93b906"));
        }

        Assert.Equal(29, Play(contracts, "FleetContractUpgradeable", address => address));
    }

    [Fact]
    public void Perimeters_answer_as_recorded()
    {
        Dictionary<string, DeployedContract> contracts = Place("Perimeter", "ZTNAPerimeterContract");
        DeployedContract perimeter = contracts.Values.Single();
        Address owner = Address.Parse("0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc");
        perimeter.Send(owner, "initialize(address,string)", owner, "perimeter one");

        // Ours gives a tag another address.
        Assert.Equal(32, Play(contracts, "ZTNAPerimeterContract", text =>
        {
            object[] tags = (object[])perimeter.ReadAs(owner, "getAllTags()", "address[]")[0];
            return tags.Length == 0 ? text : text.Replace("a6a5782a413c5a22c64f36757a6e6c024f0861d1", tags[0].ToString()![2..], StringComparison.Ordinal);
        }));
    }

    [Fact]
    public void Every_listed_function_of_these_contracts_exists()
    {
        foreach ((string recorded, string ours) in new[]
        {
            ("BNS", "BNS"), ("FleetContract", "FleetContract"), ("FleetContractUpgradeable", "FleetContract"),
            ("ZTNAPerimeterContract", "Perimeter"), ("DiodeRegistryLight", "RelayRegistry"),
        })
        {
            byte[] code = ContractArtifact.Load(ours).Runtime;
            foreach (JsonNode listed in Cases.Where(c => Kind(c) == "selector" && Text(c, "contract") == recorded))
            {
                string signature = Text(listed, "signature");
                byte[] selector = AbiWriter.Selector(signature);
                Assert.Equal(Text(listed, "selector"), Convert.ToHexStringLower(selector));
                Assert.True(Dispatches(code, selector) || NotOurs.Contains(signature), $"{ours} has no {signature}");
            }
        }
    }

    // PUSH4, or shorter if the selector begins with zeros.
    private static bool Dispatches(byte[] code, byte[] selector)
    {
        ReadOnlySpan<byte> digits = selector.AsSpan().TrimStart((byte)0);
        return code.AsSpan().IndexOf([(byte)(0x5f + digits.Length), .. digits]) >= 0;
    }

    private Dictionary<string, DeployedContract> Place(string ours, string recorded) => Cases
        .Where(c => Kind(c) is "call" or "transaction" && Text(c, "contract") == recorded)
        .Select(static c => Text(c, "to")).Distinct()
        .ToDictionary(static to => to, to => DeployedContract.Place(_node, ours, Address.Parse("0x" + to)));

    private int Play(Dictionary<string, DeployedContract> contracts, string name, Func<string, string> translate)
    {
        int played = 0;
        foreach (JsonNode c in Cases)
        {
            if (Kind(c) == "storage" && contracts.TryGetValue(Text(c, "contract"), out DeployedContract? holder)
                && !Text(c, "meaning").StartsWith("proxy", StringComparison.Ordinal))
            {
                Assert.True("0x" + Text(c, "value") == holder.Slot(Hash256.Parse("0x" + Text(c, "slot"))).ToString(), Text(c, "meaning"));
                continue;
            }

            if (Kind(c) is not ("call" or "transaction") || Text(c, "contract") != name)
            {
                continue;
            }

            PlayCall(contracts[Text(c, "to")], c, translate);
            played++;
        }

        return played;
    }

    private void PlayCall(DeployedContract contract, JsonNode c, Func<string, string> translate)
    {
        Address from = Address.Parse("0x" + Text(c, "from"));
        byte[] input = Convert.FromHexString(translate(Text(c, "calldata")));
        bool ok = contract.TryCall(from, input, out byte[] data, out string refusal);
        Assert.True(ok == (Text(c, "status") == "ok"), $"{Text(c, "name")}: {Text(c, "function")} {refusal}");
        if (ok && c["return_data"] is { } expected)
        {
            Assert.True(
                translate(expected.GetValue<string>()) == Convert.ToHexStringLower(data), $"{Text(c, "name")}: {Text(c, "function")}");
        }
        else if (!ok && c["error_message"] is { } reason)
        {
            Assert.Equal(reason.GetValue<string>(), refusal);
        }

        if (Kind(c) == "transaction" && ok)
        {
            Assert.Equal("0x1", DeployedContract.Submit(_node, from, contract.Address, input)["status"]!.GetValue<string>());
        }
    }

    private static bool CheckName(DeployedContract bns, JsonNode c)
    {
        bool valid = bns.TryCall(null, DeployedContract.Encode("Convert(string)", Text(c, "text")), out _, out string refusal);
        Assert.Equal(c["valid"]!.GetValue<bool>(), valid);
        Assert.Equal(c["error_message"]?.GetValue<string>() ?? "", refusal);
        return true;
    }

    private static string Kind(JsonNode c) => Text(c, "kind");

    private static string Text(JsonNode c, string name) => c[name]!.GetValue<string>();
}
