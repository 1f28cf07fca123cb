using System.Diagnostics;
using System.Numerics;
using System.Security.Cryptography;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Contracts;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.JsonRpc;
using Diode.Tunnel.Ethereum.Proofs;
using Diode.Tunnel.Ethereum.Transactions;
using Xunit;
using Xunit.Abstractions;

namespace Diode.Tunnel.IntegrationTests.Evm;

public sealed class EvmClientTests : IDisposable
{
    private const int Chain = 31337;
    private readonly ITestOutputHelper _output;
    private readonly AnvilNode _node = new("127.0.0.1");
    private readonly HttpJsonRpcTransport _http;
    private readonly JsonRpcClient _rpc;
    private readonly EvmClient _client;

    public EvmClientTests(ITestOutputHelper output)
    {
        _output = output;
        _http = new HttpJsonRpcTransport(_node.Endpoint, TimeSpan.FromSeconds(10));
        _rpc = new JsonRpcClient(Chain, [_http]);
        _client = new EvmClient(_rpc);
    }

    public void Dispose()
    {
        _rpc.Dispose();
        _http.Dispose();
        _node.Dispose();
    }

    [Fact]
    public async Task Real_proofs_are_verified_against_the_header()
    {
        Address[] devices = Devices(40);
        DeployedContract fleet = Fleet(devices[..20]);
        ulong block = _node.BlockNumber();
        EvmHeader header = Ok(await _client.GetHeaderAsync(block, default));
        Assert.Equal(block, header.Number);
        Hash256[] slots = [.. devices.Select(StorageSlots.FleetMember), StorageSlots.FleetOperator, StorageSlots.ChangeTracker];
        EvmProof proof = Ok(await _client.GetProofAsync(fleet.Address, slots, block, default));
        Assert.Equal(ProofVerdict.Present, AccountState.Verify(header.StateRoot, fleet.Address, proof.Account, out AccountState? account));
        Assert.True(account!.IsContract);
        for (int i = 0; i < slots.Length; i++)
        {
            Assert.True(AccountState.TryVerifyStorage(account.StorageRoot, slots[i], proof.Storage[i], out Hash256 word));
            Assert.Equal(fleet.Slot(slots[i]), word);
            Assert.Equal(Ok(await _client.GetStorageAsync(fleet.Address, slots[i], block, default)), word);
            Assert.Equal(i is < 20 or >= 40, !word.IsZero);
        }

        // The same proofs do not fit another slot, another account, or the next block's state.
        Assert.False(AccountState.TryVerifyStorage(account.StorageRoot, slots[1], proof.Storage[0], out _));
        Assert.NotEqual(ProofVerdict.Present, AccountState.Verify(header.StateRoot, devices[0], proof.Account, out _));
        fleet.Send(_node.Accounts[0], "SetDeviceAllowlist(address,bool)", devices[0], false);
        EvmHeader next = Ok(await _client.GetHeaderAsync(null, default));
        Assert.Equal(header.Hash, next.ParentHash);
        Assert.Equal(ProofVerdict.Invalid, AccountState.Verify(next.StateRoot, fleet.Address, proof.Account, out _));
        EvmProof nobody = Ok(await _client.GetProofAsync(devices[39], [slots[0]], next.Number, default));
        Assert.Equal(ProofVerdict.Absent, AccountState.Verify(next.StateRoot, devices[39], nobody.Account, out _));
    }

    [Fact]
    public async Task Ten_thousand_members_are_listed_in_pages()
    {
        Address[] devices = Devices(10_000);
        DeployedContract fleet = Fleet([]);
        foreach (Address[] batch in devices.Chunk(250))
        {
            fleet.Send(_node.Accounts[0], "AddDeviceBatch(address[])", [batch.Cast<object>().ToArray()]);
        }

        long started = Stopwatch.GetTimestamp();
        Address[] listed = Ok(await _client.ListFleetAsync(fleet.Address, _node.BlockNumber(), default));
        TimeSpan took = Stopwatch.GetElapsedTime(started);
        _output.WriteLine($"10,000 members in {took.TotalMilliseconds:0} ms");
        Assert.Equal(devices, listed);
        Assert.True(took < TimeSpan.FromSeconds(5), $"took {took}");
    }

    [Fact]
    public async Task Both_kinds_of_transactions_are_accepted_by_a_real_node()
    {
        using PrivateKey key = PrivateKey.Generate();
        _node.Call("anvil_setBalance", key.Address.ToString(), "0xde0b6b3a7640000");
        BigInteger price = Ok(await _client.GetGasPriceAsync(default));
        byte[] creation = FleetCalls.Create(ContractArtifact.Load("FleetContract").Bytecode, key.Address, key.Address);
        BigInteger gas = Ok(await _client.EstimateGasAsync(key.Address, null, creation, default));
        SignedTransaction create = new EthereumTransaction
        {
            ChainId = Chain,
            Nonce = 0,
            Data = creation,
            GasLimit = (ulong)gas,
            GasPrice = 2 * price,
            MaxPriorityFee = Ok(await _client.GetPriorityFeeAsync(default)),
        }.Sign(key);
        Assert.Equal(create.Hash, Ok(await _client.SendAsync(create.Raw, default)));
        Assert.True(await Succeeds(create.Hash));

        Address fleet = SignedTransaction.ContractAddress(key.Address, 0);
        Assert.Equal(1, Ok(await _client.GetNonceAsync(key.Address, default)));
        Address device = Devices(1)[0];
        SignedTransaction add = new EthereumTransaction
        {
            ChainId = Chain,
            Nonce = 1,
            To = fleet,
            Data = FleetCalls.SetAllowed(device, true),
            GasLimit = 200_000,
            GasPrice = 2 * price,
        }.Sign(key);
        Assert.Equal(add.Hash, Ok(await _client.SendAsync(add.Raw, default)));
        Assert.True(await Succeeds(add.Hash));
        Assert.True(FleetCalls.TryReadAllowed(Ok(await _client.CallContractAsync(fleet, FleetCalls.IsAllowed(device), null, default)), out bool allowed) && allowed);
        Assert.True(Ok(await _client.GetBalanceAsync(key.Address, default)) < BigInteger.Pow(10, 18));
    }

    [Fact]
    public async Task Refusals_come_in_the_contracts_words()
    {
        DeployedContract fleet = Fleet([]);
        EvmResult<BigInteger> estimate = await _client.EstimateGasAsync(
            _node.Accounts[3], fleet.Address, FleetCalls.SetAllowed(_node.Accounts[3], true), default);
        Assert.True(estimate.IsRefusal);
        Assert.Equal("Only the operator can call this method", estimate.Failure);
        EvmResult<Address[]> none = await _client.ListFleetAsync(_node.Accounts[3], _node.BlockNumber(), default);
        Assert.True(none.IsRefusal);
        Assert.Contains("is no fleet contract", none.Failure, StringComparison.Ordinal);
        Assert.Empty(Ok(await _client.GetCodeAsync(_node.Accounts[3], null, default)));
        Assert.False((await _client.GetHeaderAsync(1_000_000, default)).IsOk);
    }

    private static T Ok<T>(EvmResult<T> result)
    {
        Assert.True(result.IsOk, result.Failure);
        return result.Value!;
    }

    private static Address[] Devices(int count) =>
        [.. Enumerable.Range(0, count).Select(static _ => new Address(RandomNumberGenerator.GetBytes(Address.Length)))];

    private DeployedContract Fleet(Address[] members)
    {
        DeployedContract fleet = DeployedContract.Deploy(
            _node, "FleetContract", _node.Accounts[0], "address,address", _node.Accounts[0], _node.Accounts[0]);
        fleet.Send(_node.Accounts[0], "AddDeviceBatch(address[])", [members.Cast<object>().ToArray()]);
        return fleet;
    }

    private async Task<bool> Succeeds(Hash256 transaction)
    {
        for (int i = 0; i < 500; i++)
        {
            EvmResult<bool?> outcome = await _client.GetOutcomeAsync(transaction, default);
            if (outcome.Value is { } success)
            {
                return success;
            }

            await Task.Delay(10);
        }

        return false;
    }
}
