using System.Numerics;
using System.Text.Json.Nodes;
using Diode.Tunnel.Engine.Membership.Chain;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Contracts;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.JsonRpc;
using Diode.Tunnel.Ethereum.Transactions;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.Evm;

/// <summary>Transactions prepared and sent by several endpoints, one of which lies.</summary>
public sealed class ChainWriterTests : IDisposable
{
    private readonly AnvilNode _node = new("127.0.0.1");
    private readonly List<IDisposable> _disposables = [];
    private readonly PrivateKey _key;
    private readonly DeployedContract _fleet;

    public ChainWriterTests()
    {
        Assert.True(PrivateKey.TryFromBytes(Convert.FromHexString(Mesh.ChainLab.OperatorKey), out PrivateKey? key));
        _key = key;
        _fleet = DeployedContract.Deploy(_node, "FleetContract", _key.Address, "address,address", _key.Address, _key.Address);
    }

    public void Dispose()
    {
        _disposables.ForEach(static d => d.Dispose());
        _key.Dispose();
        _node.Dispose();
    }

    [Fact]
    public async Task One_of_three_makes_a_transaction_neither_expensive_nor_useless()
    {
        byte[] call = FleetCalls.SetAllowed(_node.Accounts[3], true);
        (EthereumTransaction honest, _) = (await Writer(Http(), Http(), Http()).PrepareAsync(_key.Address, _fleet.Address, call, default)).Value;
        foreach (string method in (string[])["eth_gasPrice", "eth_estimateGas", "eth_getTransactionCount", "eth_maxPriorityFeePerGas", "eth_getBalance"])
        {
            foreach (string lie in (string[])["0x0", "0xffffffffffffffff"])
            {
                TamperingTransport liar = new(Http(), "liar", (asked, _, truth) =>
                {
                    truth["result"] = asked == method ? lie : truth["result"]!.DeepClone();
                    return truth;
                });
                (EthereumTransaction told, BigInteger balance) =
                    (await Writer(liar, Http(), Http()).PrepareAsync(_key.Address, _fleet.Address, call, default)).Value;
                Assert.Equal((honest.MostCost, honest.Nonce, honest.MaxPriorityFee), (told.MostCost, told.Nonce, told.MaxPriorityFee));
                Assert.True(balance > BigInteger.Pow(10, 18));
            }
        }

        // One says it was done, and nobody else does.
        TamperingTransport boaster = new(Http(), "boaster", static (asked, _, truth) =>
        {
            truth["result"] = asked switch
            {
                "eth_sendRawTransaction" => "0x" + new string('1', 64),
                "eth_getTransactionReceipt" => new JsonObject { ["status"] = "0x1" },
                _ => truth["result"]?.DeepClone(),
            };
            return truth;
        });
        TamperingTransport idle = new(Http(), "idle", static (asked, _, truth) => asked.StartsWith("eth_getTransactionReceipt", StringComparison.Ordinal) ? null : truth);
        (_, bool? succeeded) = (await Writer(boaster, idle, idle).SendAsync(honest, _key, TimeSpan.Zero, default)).Value;
        Assert.Null(succeeded);
    }

    [Fact]
    public async Task What_is_sent_happens_and_what_the_contract_refuses_is_told_in_its_words()
    {
        Address device = _node.Accounts[4];
        ChainWriter writer = Writer(Http(), Http());
        byte[] call = FleetCalls.SetAllowed(device, true);
        (EthereumTransaction transaction, _) = (await writer.PrepareAsync(_key.Address, _fleet.Address, call, default)).Value;
        (_, bool? succeeded) = (await writer.SendAsync(transaction, _key, TimeSpan.FromSeconds(20), default)).Value;
        Assert.True(succeeded);
        Assert.True(_fleet.Get<bool>("DeviceAllowlist(address)", "bool", device));
        EvmResult<(EthereumTransaction Transaction, BigInteger Balance)> refused = await writer.PrepareAsync(device, _fleet.Address, call, default);
        Assert.True(refused.IsRefusal);
        Assert.Equal("Only the operator can call this method", refused.Failure);
        Assert.Contains("nobody can be asked", (await WriterOf().PrepareAsync(device, _fleet.Address, call, default)).Failure, StringComparison.Ordinal);
    }

    private static ChainWriter WriterOf(params ChainEndpoint[] endpoints) =>
        new(new ChainAccess("av", 31337, []), endpoints, 2, TimeProvider.System);

    private ChainWriter Writer(params IJsonRpcTransport[] transports) => WriterOf([.. transports.Select(t =>
    {
        JsonRpcClient rpc = new(31337, [t]);
        _disposables.Add(rpc);
        return new ChainEndpoint(t.Name, new EvmClient(rpc));
    })]);

    private HttpJsonRpcTransport Http()
    {
        HttpJsonRpcTransport http = new(_node.Endpoint, TimeSpan.FromSeconds(10));
        _disposables.Add(http);
        return http;
    }
}
