using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.Rlp;
using Diode.Tunnel.Relay.Chains;
using Diode.Tunnel.Testing.Relay;
using Xunit;

namespace Diode.Tunnel.Tests.Relay.Chains;

public sealed class ChainCommandTests
{
    private static readonly Address Contract = Address.Parse("0x00000000000000000000000000000000000000c0");

    [Fact]
    public async Task Blocks_are_read_by_number_up_to_the_peak()
    {
        var chain = new CannedChain(1284, peak: 100);
        using var world = new ChainWorld(("glmr", [chain]));

        Assert.Equal("[response d]", await world.AskAsync("glmr:getblockpeak"));
        string header = await world.AskAsync("glmr:getblockheader", 2);
        Assert.StartsWith("[response [[block_hash 0x0000000a", header);
        Assert.Contains("[miner_signature 0x] [nonce 0x] [number 0x02] [previous_block ", header);
        Assert.Equal("[error block not found]", await world.AskAsync("glmr:getblockheader", 1000));
        Assert.Equal("[error block not found]", await world.AskAsync("glmr:getblockheader", "latest"));
        Assert.Equal("[error no miner signature]", await world.AskAsync("glmr:getblockheader2", 2));
        Assert.Equal("[error not implemented]", await world.AskAsync("glmr:getblock", 2));
        Assert.Equal("[error bad input]", await world.AskAsync("glmr:bogus"));
        Assert.Equal("[error 0x0191 bad input]", await world.AskAsync("av:getblockpeak"));
        Assert.Equal("[error chain not available]", await world.AskAsync("base:getblockpeak"));
        Assert.Equal("[error chain not available]", await world.AskAsync("getblockpeak"));
        Assert.Equal("[response pong]", await world.AskAsync("glmr:ping"));
    }

    [Fact]
    public async Task A_block_is_asked_for_once_and_a_new_peak_is_noticed_when_it_is_wanted()
    {
        var chain = new CannedChain(1284, peak: 100);
        using var world = new ChainWorld(("glmr", [chain]));
        await world.AskAsync("glmr:getblockheader", 2);
        int asked = chain.Asked("eth_getBlockByNumber");
        await world.AskAsync("glmr:getblockheader", 2);
        await world.AskAsync("glmr:getblockheader", 2);
        Assert.Equal(asked, chain.Asked("eth_getBlockByNumber"));

        chain.Peak = 101;
        Assert.StartsWith("[response [[block_hash ", await world.AskAsync("glmr:getblockheader", 101));
    }

    [Fact]
    public async Task Accounts_are_shown_as_real_relays_show_them()
    {
        CannedChain chain = new CannedChain(1284, peak: 1300)
            .On("eth_getBalance", _ => "\"0x0\"")
            .On("eth_getTransactionCount", _ => "\"0x100\"")
            .On("eth_getCode", _ => "\"0x6001\"")
            .On("eth_getStorageAt", parameters => parameters[1].GetString()!.EndsWith('5') ? "\"0x7\"" : "\"0x0\"");
        using var world = new ChainWorld(("glmr", [chain]));

        string code = Hex(Keccak256.Hash([0x60, 0x01]));
        string root = Hex(Keccak256.Hash("0x00000000000000000000000000000000000000c01200"u8));
        Assert.Equal(
            $"[response [[balance 0x00] [code {code}] [nonce 0x0100] [storage_root {root}]]]",
            await world.AskAsync("glmr:getaccount", "latest", Contract));
        Assert.Equal($"[response {root}]", await world.AskAsync("glmr:getaccountroot", "latest", Contract));
        string seven = "0x" + new string('0', 63) + "7";
        string zero = "0x" + new string('0', 64);
        Assert.Equal($"[response {seven}]", await world.AskAsync("glmr:getaccountvalue", "latest", Contract, 5));
        Assert.Equal(
            $"[response [{seven} {zero}]]", await world.AskAsync("glmr:getaccountvalues", 3, Contract, 5, new byte[32]));
        Assert.Equal("[response []]", await world.AskAsync("glmr:getaccountvalues", "earliest", Contract));
        Assert.Equal("[error bad input]", await world.AskAsync("glmr:getaccount", "latest", new byte[19]));
        Assert.Equal("[error bad input]", await world.AskAsync("glmr:getaccountvalue", "latest", Contract, new byte[33]));
        Assert.Equal("[error block not found]", await world.AskAsync("glmr:getaccount", 5000, Contract));
    }

    [Fact]
    public async Task Transactions_and_requests_are_passed_on()
    {
        CannedChain chain = new CannedChain(1284, peak: 9)
            .On("eth_sendRawTransaction", parameters => parameters[0].GetString() switch
            {
                "0x01" => "\"0xaa\"",
                "0x02" => "!{\"code\":-32603,\"message\":\"already known\"}",
                _ => "!{\"code\":-32602,\"message\":\"Failed to decode transaction\"}",
            })
            .On("eth_call", parameters => $"\"0x{parameters[1].GetString()![2..].PadLeft(64, '0')}\"");
        using var world = new ChainWorld(("glmr", [chain]));

        Assert.Equal("[response ok]", await world.AskAsync("glmr:sendtransaction", new byte[] { 1 }));
        Assert.Equal("[response ok]", await world.AskAsync("glmr:sendtransaction", new byte[] { 2 }));
        Assert.Equal(
            """[error %{"code" => -32602, "message" => "Failed to decode transaction"}]""",
            await world.AskAsync("glmr:sendtransaction", new byte[] { 3 }));
        Assert.Equal(
            """[response {"id":1,"jsonrpc":"2.0","result":"0x504"}]""",
            await world.AskAsync("glmr:rpc", "eth_chainId", "[]"));
        Assert.Contains("Method not found", await world.AskAsync("glmr:rpc", "eth_nope", "[]"));
        Assert.Equal("[error invalid json params]", await world.AskAsync("glmr:rpc", "eth_chainId", "not json"));
        Assert.Equal("[error invalid json params]", await world.AskAsync("glmr:rpc", "eth_chainId", "{}"));
        Assert.Contains("Method not found", await world.AskAsync("glmr:rpc", "eth_sendTransaction", "[]"));
        Assert.Contains("Method not found", await world.AskAsync("glmr:rpc", "admin_peers", "[]"));
        Assert.Equal(0, chain.Asked("eth_sendTransaction"));

        await world.AskAsync("glmr:rpc", "eth_call", "[{\"to\":\"0x1\",\"data\":\"0x\"}, \"latest\"]");
        await world.AskAsync("glmr:rpc", "eth_call", "[ {\"to\":\"0x1\",\"data\":\"0x\"},\"0x9\" ]");
        Assert.Equal(1, chain.Asked("eth_call"));
        Assert.Equal("[response 0x09]", await world.AskAsync("glmr:getmetanonce", "latest", Contract));
        Assert.Equal("[error transaction_rejected]", await world.AskAsync("glmr:sendmetatransaction", new byte[] { 0xc0 }));
    }

    [Fact]
    public async Task Commands_without_prefix_go_to_the_L1_as_they_are()
    {
        string? forwarded = null;
        CannedChain chain = new CannedChain(15, peak: 100).On("dio_edgev2", parameters =>
        {
            forwarded = parameters[0].GetString();
            return "\"0xcb88726573706f6e73656f6b\"";
        });
        using var world = new ChainWorld(("diode", [chain]));

        Assert.Equal("[response d]", await world.AskAsync("getblockpeak"));
        Assert.Equal("[error block not found]", await world.AskAsync("getblock", 101));
        Assert.Null(forwarded);
        Assert.StartsWith("[response", await world.AskAsync("getblock", 5));
        Assert.Equal("0xca" + "88" + Convert.ToHexStringLower("getblock"u8) + "05", forwarded);
        await world.AskAsync("getblock", 5);
        Assert.Equal(1, chain.Asked("dio_edgev2"));
        await world.AskAsync("getblockquick2", 5, 100);
        await world.AskAsync("getblockquick2", 5, 100);
        Assert.Equal(3, chain.Asked("dio_edgev2"));
        Assert.Equal("[error 0x0191 bad input]", await world.AskAsync("getblockheader3", 5));
    }

    [Fact]
    public async Task Signed_headers_of_the_L1_name_their_miner()
    {
        using PrivateKey miner = PrivateKey.Generate();
        var chain = new CannedChain(15, peak: 100);
        chain.Blocks[7] = SignedBlock(chain, 7, miner);
        chain.Blocks[8] = SignedBlock(chain, 8, miner).Replace("\"nonce\":\"0x5\"", "\"nonce\":\"0x6\"", StringComparison.Ordinal);
        using var world = new ChainWorld(("diode", [chain]));
        byte[] key = new byte[33];
        miner.PublicKey.CopyCompressedTo(key);

        string header = await world.AskAsync("diode:getblockheader2", 7);
        Assert.EndsWith($"0x{Convert.ToHexStringLower(key)}]", header);
        Assert.DoesNotContain("[miner ", header);
        Assert.StartsWith("[response [[[[block_hash ", await world.AskAsync("diode:getblockheader3", 7, 7));
        Assert.Equal("[error invalid miner]", await world.AskAsync("diode:getblockheader2", 8));
        Assert.EndsWith($"0x{Convert.ToHexStringLower(key)}]", await world.AskAsync("getblockheader2", 7));
    }

    [Fact]
    public async Task Subscribers_hear_of_every_block_beginning_with_the_newest()
    {
        var chain = new CannedChain(31337, peak: 5);
        using var world = new ChainWorld(("av", [chain]));
        Assert.Equal("[response 0x05]", await world.AskAsync("av:getblockpeak"));
        world.Gateway.Start();
        Assert.Equal("[error invalid chain]", await world.AskAsync("glmr:subscribe"));
        world.Peer.Send("av:subscribe");
        List<string> texts = await world.ReadAsync(2);
        Assert.Equal("[response ok]", texts[0]);
        Assert.StartsWith("[blockheader zi [[block_hash ", texts[1]);
        Assert.Contains("[number 0x05]", texts[1]);

        chain.Peak = 7;
        texts = await world.ReadAsync(2);
        Assert.Contains("[number 0x06]", texts[0]);
        Assert.Contains("[number 0x07]", texts[1]);

        world.Peer.Disconnect();
        chain.Peak = 8;
        await Task.Delay(600);
        Assert.Empty(world.Peer.ReadTexts());
        await world.Gateway.StopAsync();
    }

    [Fact]
    public async Task A_session_has_a_bounded_number_of_requests_under_way()
    {
        var gate = new TaskCompletionSource();
        var chain = new CannedChain(1284, peak: 9) { Gate = gate.Task };
        using var world = new ChainWorld(("glmr", [chain]));
        for (int i = 0; i < 72; i++)
        {
            world.Peer.Send("glmr:getblockheader", i);
        }

        Assert.Equal(Enumerable.Repeat("[error too many requests]", 8), world.Peer.ReadTexts());
        gate.SetResult();
        Assert.Equal(64, (await world.ReadAsync(64)).Count);
        Assert.Equal("[response 0x09]", await world.AskAsync("glmr:getblockpeak"));
    }

    [Fact]
    public async Task Epochs_follow_the_chain_where_one_is_read()
    {
        var chain = new CannedChain(1284, peak: 9, timestamp: 700UL * 2_592_000);
        using var world = new ChainWorld(("glmr", [chain]));
        var clock = new ChainClock(world.Gateway);
        Assert.Equal(692UL, clock.GetEpoch(1284, RelayWorld.StartMs));
        await world.AskAsync("glmr:getblockpeak");
        Assert.Equal(700UL, clock.GetEpoch(1284, RelayWorld.StartMs));
        Assert.Equal(692UL, clock.GetEpoch(8453, RelayWorld.StartMs));
        Assert.False(clock.IsKnown(15));
        Assert.False(clock.TryGetBlockHash(1284, 4, out _));
        Assert.NotNull(await world.Gateway.GetBlockHashAsync(1284, 4, default));
        Assert.True(clock.TryGetBlockHash(1284, 4, out Hash256 hash));
        Assert.StartsWith("0x0000000a", hash.ToString());
    }

    [Fact]
    public async Task Fleets_are_looked_up_in_the_registry()
    {
        string exists = "0";
        string code = "0x";
        CannedChain chain = new CannedChain(1284, peak: 9)
            .On("eth_getCode", _ => $"\"{code}\"")
            .On("eth_call", parameters => parameters[0].GetProperty("to").GetString()!.StartsWith("0xd7", StringComparison.Ordinal)
                ? $"\"0x{exists.PadLeft(64, '0')}{new string('0', 320)}\""
                : $"\"0x{new string('0', 63)}1\"");
        using var world = new ChainWorld(("glmr", [chain]));
        Assert.Equal(FleetStanding.NotAContract, await world.Gateway.CheckFleetAsync(1284, Contract, default));
        Assert.Equal(FleetStanding.Unknown, await world.Gateway.CheckFleetAsync(8453, Contract, default));
        Assert.True(await world.Gateway.IsDeviceAllowedAsync(1284, Contract, Contract, default));
        Assert.Null(await world.Gateway.IsDeviceAllowedAsync(8453, Contract, Contract, default));
        code = "0x60";
        chain.Peak = 10;
        await world.Gateway.HandleCommandAsync("glmr", Encode("getblockheader", 10), default);
        Assert.Equal(FleetStanding.NotRegistered, await world.Gateway.CheckFleetAsync(1284, Contract, default));
        exists = "1";
        chain.Peak = 11;
        await world.Gateway.HandleCommandAsync("glmr", Encode("getblockheader", 11), default);
        Assert.Equal(FleetStanding.Registered, await world.Gateway.CheckFleetAsync(1284, Contract, default));
    }

    private static byte[] Encode(string command, ulong number)
    {
        var writer = new RlpWriter();
        writer.BeginList();
        writer.WriteText(command);
        writer.WriteUInt64(number);
        writer.EndList();
        return writer.ToArray();
    }

    private static string Hex(Hash256 hash) => hash.ToString();

    private static string SignedBlock(CannedChain chain, ulong number, PrivateKey miner)
    {
        string json = chain.MakeBlock(number)
            .Replace("0x" + new string('0', 40), miner.Address.ToString(), StringComparison.Ordinal)
            .Replace("\"nonce\":\"0x0000000000000000\"", "\"nonce\":\"0x5\"", StringComparison.Ordinal);
        Assert.True(Diode.Tunnel.Ethereum.JsonRpc.ChainBlock.TryRead(System.Text.Encoding.UTF8.GetBytes(json), out var block));
        byte[] signed = Diode.Tunnel.Edge.Bert.BertEncoder.Encode(Diode.Tunnel.Edge.Bert.BertTerm.FromList(
            Diode.Tunnel.Edge.Bert.BertTerm.FromBinary(block.ParentHash.ToArray()),
            Diode.Tunnel.Edge.Bert.BertTerm.FromBinary(block.StateRoot.ToArray()),
            Diode.Tunnel.Edge.Bert.BertTerm.FromBinary(block.TransactionsRoot.ToArray()),
            Diode.Tunnel.Edge.Bert.BertTerm.FromNumber(block.Timestamp),
            Diode.Tunnel.Edge.Bert.BertTerm.FromNumber(block.Number),
            Diode.Tunnel.Edge.Bert.BertTerm.FromNumber(5)));
        byte[] signature = miner.SignHash(Hash256.Sha256(signed)).ToArray();
        return json.Replace(
            "\"transactions\":[]",
            $"\"minerSignature\":\"0x{Convert.ToHexStringLower(signature)}\"",
            StringComparison.Ordinal);
    }
}
