using System.Numerics;
using System.Text;
using System.Text.Json.Nodes;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.Evm;

/// <summary>Stake, tickets verified on chain, and what relays are paid.</summary>
public sealed class RegistryContractTests : IDisposable
{
    private const string Submit = "SubmitTicketRaw(bytes32[])";
    private const string AccountantOnly = "Only the fleet accountant can do this";
    private static readonly TimeSpan Epoch = TimeSpan.FromDays(30);
    private readonly AnvilNode _node = new();
    private readonly DeployedContract _token;
    private readonly DeployedContract _fleet;
    private readonly DeployedContract _registry;
    private readonly Address _operator;
    private readonly Address _accountant;
    private readonly Address _foundation;
    private readonly PrivateKey _device = PrivateKey.Generate();
    private readonly Address _relay;

    public RegistryContractTests()
    {
        (_operator, _accountant, _foundation, _relay) = (_node.Accounts[0], _node.Accounts[1], _node.Accounts[2], _node.Accounts[5]);
        _token = DeployedContract.Deploy(_node, "StakeToken", _accountant, "uint256", BigInteger.Pow(10, 24));
        _fleet = DeployedContract.Deploy(_node, "FleetContract", _operator, "address,address", _operator, _accountant);
        _registry = DeployedContract.Deploy(_node, "RelayRegistry", _foundation, "address,address", _token.Address, _foundation);
        _fleet.Send(_operator, "SetDeviceAllowlist(address,bool)", _device.Address, true);
    }

    public void Dispose()
    {
        _device.Dispose();
        _node.Dispose();
    }

    [Fact]
    public void Fleets_exist_by_their_stake()
    {
        Assert.False((bool)Fleet()[0]);
        _registry.Refuses(AccountantOnly, _operator, "ContractStake(address,uint256)", _fleet.Address, 10);
        _registry.Refuses("Allowance exceeded", _accountant, "ContractStake(address,uint256)", _fleet.Address, 10);
        Stake(1000);
        Assert.Equal([true, new BigInteger(1000), BigInteger.Zero, BigInteger.Zero], Fleet()[..4]);
        Assert.Equal([_fleet.Address], _registry.List<Address>("FleetArray()", "address"));
        Assert.Equal(1, _registry.Number("FleetArrayLength()"));
        Assert.Equal(_fleet.Address, _registry.Get<Address>("fleetArray(uint256)", "address", 0));

        _registry.Refuses(AccountantOnly, _operator, "ContractUnstake(address,uint256)", _fleet.Address, 10);
        _registry.Refuses("Can't unstake more than is staked", _accountant, "ContractUnstake(address,uint256)", _fleet.Address, 1001);
        _registry.Send(_accountant, "ContractUnstake(address,uint256)", _fleet.Address, 400);
        _registry.Refuses("Can't unstake more than is staked", _accountant, "ContractUnstake(address,uint256)", _fleet.Address, 601);
        Assert.Equal([new BigInteger(1000), new BigInteger(400), BigInteger.Zero], Fleet()[1..4]);
        _node.Advance(Epoch);
        _registry.Send(_relay, "EndEpochForFleet(address)", _fleet.Address);
        Assert.Equal([new BigInteger(600), BigInteger.Zero, new BigInteger(400)], Fleet()[1..4]);
        BigInteger before = _token.Number("balanceOf(address)", _accountant);
        _registry.Refuses(AccountantOnly, _operator, "ContractWithdraw(address)", _fleet.Address);
        _registry.Send(_accountant, "ContractWithdraw(address)", _fleet.Address);
        _registry.Send(_accountant, "ContractWithdraw(address)", _fleet.Address);
        Assert.Equal(before + 400, _token.Number("balanceOf(address)", _accountant));
    }

    [Fact]
    public void Tickets_are_verified_on_chain()
    {
        _registry.Refuses("Invalid ticket length", _relay, Submit, [Array.Empty<object>()]);
        _registry.Refuses("Invalid ticket length", _relay, Submit, [Enumerable.Repeat((object)new byte[32], 10).ToArray()]);
        ulong epoch = CurrentEpoch();
        _registry.Refuses("Wrong epoch", _relay, Submit, [Ticket(epoch, 3, 1000)]);
        _registry.Refuses("Wrong epoch", _relay, Submit, [Ticket(epoch - 2, 3, 1000)]);
        _registry.Refuses("Invalid ticket value", _relay, Submit, [Ticket(epoch - 1, 0, 0)]);

        object[] good = Ticket(epoch - 1, 3, 1000);
        object[] broken = [.. good];
        broken[8] = Word(29);
        _registry.Refuses("Invalid ticket signature", _relay, Submit, [broken]);
        using PrivateKey foreign = PrivateKey.Generate();
        byte[] reason = [.. "Unregistered device\0"u8, .. foreign.Address.ToArray()];
        _registry.Refuses(Encoding.UTF8.GetString(reason), _relay, Submit, [Ticket(epoch - 1, 3, 1000, foreign)]);

        // Any other word than the ones signed recovers somebody else.
        foreach (int word in new[] { 2, 3, 4, 5 })
        {
            object[] forged = [.. good];
            forged[word] = Word(word == 2 ? new BigInteger(77) : new BigInteger(1_000_000 + word));
            Assert.False(_registry.TryCall(_relay, DeployedContract.Encode(Submit, [forged]), out _, out string refusal));
            Assert.StartsWith("Unregistered device\0", refusal, StringComparison.Ordinal);
        }

        _registry.Send(_relay, Submit, [good]);
        Assert.Equal((3 * 1024) + 1000, Score());
        Assert.Equal((3 * 1024) + 1000, _registry.Number("GetClientScoreForEpoch(address,uint256,address,address)", _fleet.Address, epoch, _relay, _device.Address));
        _registry.Send(_relay, Submit, [good.Concat(Ticket(epoch - 1, 1, 10)).ToArray()]);
        Assert.Equal((3 * 1024) + 1000, Score());
        _registry.Send(_relay, Submit, [Ticket(epoch - 1, 3, 5000)]);
        Assert.Equal((3 * 1024) + 5000, Score());
        Assert.Equal([_relay, Score()], _registry.Read("GetNode(address,address)", "address,uint256", _fleet.Address, _relay));
        Assert.Equal([_relay, Score()], _registry.Read("GetNodeForEpoch(address,uint256,address)", "address,uint256", _fleet.Address, epoch, _relay));

        object[] single = Ticket(epoch - 1, 4, 5000);
        _registry.Send(
            _relay, "SubmitTicket(uint256,address,address,uint256,uint256,bytes32,bytes32[3])",
            epoch - 1, _fleet.Address, _relay, 4, 5000, single[5], single[6..9]);
        Assert.Equal((4 * 1024) + 5000, Score());
    }

    [Fact]
    public void Relays_share_a_percent_of_the_stake_by_score()
    {
        Stake(1_000_000);
        Address second = _node.Accounts[6];
        ulong epoch = CurrentEpoch();
        _registry.Send(_relay, Submit, [Ticket(epoch - 1, 0, 3000).Concat(Ticket(epoch - 1, 0, 1000, node: second)).ToArray()]);
        _node.Advance(Epoch);
        Assert.Equal(0, _registry.Number("RelayRewards(address)", _relay));
        _registry.Send(_operator, "EndEpochForAllFleets()");
        Assert.Equal(epoch + 1, _registry.Number("currentEpoch()"));
        Assert.True(_registry.Number("previousEpochStart()") < _registry.Number("currentEpochStart()"));

        // 1 % of the stake is 10,000; 1 % of that is the foundation's.
        Assert.Equal(7425, _registry.Number("RelayRewards(address)", _relay));
        Assert.Equal([false, new BigInteger(2475)], _registry.Read("relayRewards(address)", "bool,uint256", second));
        Assert.Equal(100, _registry.Number("foundationWithdrawableBalance()"));
        Assert.Equal(new BigInteger(990_000), Fleet()[1]);
        for (int i = 0; i < 2; i++)
        {
            _registry.Send(_operator, "RelayWithdraw(address)", _relay);
            _registry.Send(_operator, "FoundationWithdraw()");
        }

        Assert.Equal(7425, _token.Number("balanceOf(address)", _relay));
        Assert.Equal(100, _token.Number("balanceOf(address)", _foundation));
        Assert.Equal([_relay], _registry.List<Address>("RelayArray()", "address"));
        Assert.Equal(1, _registry.Number("RelayArrayLength()"));

        // An epoch without traffic costs nothing.
        _node.Advance(Epoch);
        _registry.Send(_operator, "EndEpochForFleet(address)", _fleet.Address);
        Assert.Equal(new BigInteger(990_000), Fleet()[1]);
    }

    [Fact]
    public void Foundation_sets_the_weights()
    {
        foreach (string signature in new[] { "SetFoundationTax(uint256)", "SetByteScore(uint256)", "SetConnectionScore(uint256)" })
        {
            _registry.Refuses("Foundation only", _operator, signature, 5);
            _registry.Send(_foundation, signature, 5);
        }

        _registry.Refuses("Not a percentage", _foundation, "SetFoundationTax(uint256)", 101);
        Assert.All(["foundationTaxRate()", "byteScore()", "connectionScore()"], name => Assert.Equal(5, _registry.Number(name)));
        Assert.Equal(114, _registry.Number("Version()"));
        Assert.Equal(2592000, _registry.Number("SecondsPerEpoch()"));
        Assert.Equal(_token.Address, _registry.Get<Address>("Token()", "address"));
        Assert.Equal(_foundation, _registry.Get<Address>("Foundation()", "address"));
        _registry.Send(_operator, "EndEpoch()");
        Assert.Equal(_node.BlockTime() / 2592000, _registry.Number("Epoch()"));
    }

    /// <summary>The tickets of the conformance vectors are accepted as they are and credited to the device that signed them.</summary>
    [Fact]
    public void Ticket_vectors_are_accepted()
    {
        JsonNode[] tickets = [.. JsonNode.Parse(File.ReadAllText(Path.Combine(ContractArtifact.RepositoryRoot, "tests", "vectors", "ticket_v2.json")))!["cases"]!
            .AsArray().Where(static c => c!["kind"] is null && c["words"] is not null).Select(static c => c!)];
        Assert.True(tickets.Length > 20);
        int accepted = 0;
        foreach (JsonNode ticket in tickets)
        {
            BigInteger[] words = [.. ticket["words"]!.AsArray().Select(static w => BigInteger.Parse("0" + w!.GetValue<string>(), System.Globalization.NumberStyles.HexNumber, null))];
            if (words[1] > 2000 || words[4] + words[5] == 0 || words[5] > BigInteger.One << 128)
            {
                continue;
            }

            using AnvilNode node = new(
                "127.0.0.1", "--gas-price", "0", "--block-base-fee-per-gas", "0", "--chain-id", words[0].ToString(), "--timestamp", ((words[1] + 1) * 2592000 + 5).ToString());
            Address fleetAddress = Address.Parse("0x" + ticket["fleet"]!.GetValue<string>());
            Address device = Address.Parse("0x" + ticket["device"]!.GetValue<string>());
            DeployedContract fleet = DeployedContract.Place(node, "FleetContract", fleetAddress);
            fleet.Send(_operator, "initialize(address)", _operator);
            fleet.Send(_operator, "SetDeviceAllowlist(address,bool)", device, true);
            DeployedContract registry = DeployedContract.Deploy(node, "RelayRegistry", _operator, "address,address", _token.Address, _foundation);
            byte[] signature = Convert.FromHexString(ticket["device_sig65"]!.GetValue<string>());
            registry.Send(
                _relay, Submit, [words[1..].Select(Word).Cast<object>().Concat([signature[1..33], signature[33..], Word(signature[0] + 27)]).ToArray()]);
            Address server = Address.Parse("0x" + ticket["server"]!.GetValue<string>());
            Assert.Equal((words[4] * 1024) + words[5], registry.Number("GetClientScore(address,address,address)", fleetAddress, server, device));
            if (++accepted == 8)
            {
                return;
            }
        }

        Assert.True(accepted >= 4, $"{accepted} tickets were fit for the chain");
    }

    private static byte[] Word(BigInteger number)
    {
        byte[] digits = number.ToByteArray(isUnsigned: true, isBigEndian: true);
        return [.. new byte[32 - digits.Length], .. digits];
    }

    private void Stake(BigInteger amount)
    {
        _token.Send(_accountant, "approve(address,uint256)", _registry.Address, amount);
        _registry.Send(_accountant, "ContractStake(address,uint256)", _fleet.Address, amount);
    }

    private object[] Fleet() =>
        _registry.Read("GetFleet(address)", "bool,uint256,uint256,uint256,uint256,uint256", _fleet.Address);

    private BigInteger Score() =>
        _registry.Number("GetClientScore(address,address,address)", _fleet.Address, _relay, _device.Address);

    private ulong CurrentEpoch() => _node.BlockTime() / 2592000;

    /// <summary>A ticket as this program signs it, in the words of the contract.</summary>
    private object[] Ticket(ulong epoch, ulong connections, ulong bytes, PrivateKey? signer = null, Address? node = null)
    {
        Hash256 localAddress = Hash256.Sha256([]);
        Address server = node ?? _relay;
        byte[][] words = [Word(31337), Word(epoch), [.. new byte[12], .. _fleet.Address.ToArray()], [.. new byte[12], .. server.ToArray()],
            Word(connections), Word(bytes), localAddress.ToArray()];
        Signature65 signature = (signer ?? _device).SignHash(Keccak256.Hash([.. words.SelectMany(static w => w)]));
        return [.. words[1..], signature.R.ToArray(), signature.S.ToArray(), Word(signature.RecoveryId + 27)];
    }
}
