using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Text;
using System.Text.Json;
using Diode.Tunnel.Ethereum.Abi;
using Diode.Tunnel.Ethereum.Contracts;
using Diode.Tunnel.Ethereum.Proofs;
using Diode.Tunnel.Ethereum.Sapphire;

namespace Diode.Tunnel.Ethereum.JsonRpc;

/// <summary>
/// The requests of the Ethereum JSON-RPC interface that Diode needs, typed. What comes back is read and bounded, not believed:
/// proofs and agreement are the caller's part. Thread-safe; only cancellation throws.
/// </summary>
/// <param name="rpc">How the chain is asked.</param>
/// <param name="pageSize">Members asked for at a time; fewer where answers are bounded.</param>
/// <param name="namesOwnBlocks">Whether the chain names its blocks by the hash of the header; Oasis runtimes do not.</param>
public sealed class EvmClient(JsonRpcClient rpc, int pageSize = EvmClient.PageSize, bool namesOwnBlocks = true)
{
    /// <summary>Members asked for at a time over HTTP.</summary>
    public const int PageSize = 1000;

    /// <summary>Most members of a fleet that are read.</summary>
    public const int MaxMembers = 200_000;

    private const int PagesAtOnce = 4;
    private const string ErrorSelector = "0x08c379a0";

    /// <summary>Number of the newest block.</summary>
    public async ValueTask<EvmResult<ulong>> GetBlockNumberAsync(CancellationToken cancel)
    {
        JsonRpcReply reply = await CallAsync("eth_blockNumber", "[]", cancel).ConfigureAwait(false);
        return reply.IsResult && EthereumJson.TryReadQuantity(reply.Json.Span, out ulong number)
            ? new(number, null)
            : Fail<ulong>(reply);
    }

    /// <summary>The header of a block, the newest for null; its hash is computed, not believed, unless the chain has other names for blocks.</summary>
    public async ValueTask<EvmResult<EvmHeader>> GetHeaderAsync(ulong? number, CancellationToken cancel)
    {
        JsonRpcReply reply = await CallAsync("eth_getBlockByNumber", $"[{Block(number)},false]", cancel).ConfigureAwait(false);
        return reply.IsNull ? new(null, $"no block {number}")
            : reply.IsResult && TryReadHeader(reply.Json, out EvmHeader? header) && (number is null || header.Number == number) ? new(header, null)
            : Fail<EvmHeader>(reply);
    }

    /// <summary>The key that confidential calls are encrypted to, as this endpoint tells it.</summary>
    public async ValueTask<EvmResult<CallDataKey>> GetCallDataKeyAsync(CancellationToken cancel)
    {
        JsonRpcReply reply = await CallAsync("oasis_callDataPublicKey", "[]", cancel).ConfigureAwait(false);
        return reply.IsResult && CallDataKey.TryRead(reply.Json, out CallDataKey key) ? new(key, null) : Fail<CallDataKey>(reply);
    }

    /// <summary>Asks a signed confidential query; what comes back is for <see cref="SapphireEnvelope.ReadReply"/>.</summary>
    /// <param name="query">The query.</param>
    /// <param name="packed">The same as <see cref="SapphireQuery.Pack"/> gave it.</param>
    /// <param name="cancel">Gives up.</param>
    public async ValueTask<EvmResult<byte[]>> QueryAsync(SapphireQuery query, ReadOnlyMemory<byte> packed, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(query);
        JsonRpcReply reply = await CallAsync(
            "eth_call",
            $"[{{\"from\":\"{query.From}\",\"to\":\"{query.To}\",\"gas\":\"{EthereumJson.Quantity(query.GasLimit)}\","
                + $"\"gasPrice\":\"{EthereumJson.Quantity((ulong)query.GasPrice)}\",\"value\":\"{EthereumJson.Quantity((ulong)query.Value)}\","
                + $"\"data\":\"{EthereumJson.Data(packed.Span)}\"}},\"latest\"]",
            cancel).ConfigureAwait(false);
        return reply.IsResult && EthereumJson.TryReadData(reply.Json.Span, out byte[]? result) ? new(result, null) : Fail<byte[]>(reply);
    }

    /// <summary>Calls a function that changes nothing.</summary>
    /// <param name="to">The contract.</param>
    /// <param name="data">Call data.</param>
    /// <param name="block">State after which block; null for the newest.</param>
    /// <param name="cancel">Gives up.</param>
    /// <param name="from">Who seems to call; null for nobody.</param>
    public async ValueTask<EvmResult<byte[]>> CallContractAsync(
        Address to, ReadOnlyMemory<byte> data, ulong? block, CancellationToken cancel, Address? from = null)
    {
        string sender = from is { } address ? $"\"from\":\"{address}\"," : "";
        JsonRpcReply reply = await CallAsync(
            "eth_call", $"[{{{sender}\"to\":\"{to}\",\"data\":\"{EthereumJson.Data(data.Span)}\"}},{Block(block)}]", cancel).ConfigureAwait(false);
        return reply.IsResult && EthereumJson.TryReadData(reply.Json.Span, out byte[]? result) ? new(result, null) : Fail<byte[]>(reply);
    }

    /// <summary>Code of a contract; empty where there is none.</summary>
    public async ValueTask<EvmResult<byte[]>> GetCodeAsync(Address address, ulong? block, CancellationToken cancel)
    {
        JsonRpcReply reply = await CallAsync("eth_getCode", $"[\"{address}\",{Block(block)}]", cancel).ConfigureAwait(false);
        return reply.IsResult && EthereumJson.TryReadData(reply.Json.Span, out byte[]? code) ? new(code, null) : Fail<byte[]>(reply);
    }

    /// <summary>A word of storage.</summary>
    public async ValueTask<EvmResult<Hash256>> GetStorageAsync(Address address, Hash256 slot, ulong? block, CancellationToken cancel)
    {
        JsonRpcReply reply = await CallAsync("eth_getStorageAt", $"[\"{address}\",\"{slot}\",{Block(block)}]", cancel).ConfigureAwait(false);
        return reply.IsResult && EthereumJson.TryReadWord(reply.Json.Span, out Hash256 word) ? new(word, null) : Fail<Hash256>(reply);
    }

    /// <summary>Proofs of an account and words of its storage, unverified.</summary>
    public async ValueTask<EvmResult<EvmProof>> GetProofAsync(
        Address address, IReadOnlyList<Hash256> slots, ulong block, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(slots);
        string list = string.Join(',', slots.Select(static slot => $"\"{slot}\""));
        JsonRpcReply reply = await CallAsync("eth_getProof", $"[\"{address}\",[{list}],{Block(block)}]", cancel).ConfigureAwait(false);
        return reply.IsResult && EvmProof.TryRead(reply.Json, slots.Count, out EvmProof? proof) ? new(proof, null) : Fail<EvmProof>(reply);
    }

    /// <summary>The devices of a fleet, page by page, a few pages at a time, all of the same block.</summary>
    public async ValueTask<EvmResult<Address[]>> ListFleetAsync(Address fleet, ulong block, CancellationToken cancel)
    {
        EvmResult<byte[]> counted = await CallContractAsync(fleet, FleetCalls.Count(), block, cancel).ConfigureAwait(false);
        if (!counted.IsOk)
        {
            return counted.As<Address[]>();
        }

        if (!FleetCalls.TryReadCount(counted.Value, out ulong count))
        {
            return new(null, $"{fleet} is no fleet contract whose devices can be listed", IsRefusal: true);
        }

        if (count > MaxMembers)
        {
            return new(null, $"{fleet} lists {count} devices, more than {MaxMembers}", IsRefusal: true);
        }

        var devices = new Address[count];
        using var slots = new SemaphoreSlim(PagesAtOnce);
        EvmResult<Address[]>[] pages = await Task.WhenAll(
            Enumerable.Range(0, (devices.Length + pageSize - 1) / pageSize).Select(async page =>
            {
                await slots.WaitAsync(cancel).ConfigureAwait(false);
                try
                {
                    return await ListPageAsync(fleet, page * pageSize, Math.Min(pageSize, devices.Length - (page * pageSize)), block, cancel)
                        .ConfigureAwait(false);
                }
                finally
                {
                    slots.Release();
                }
            })).ConfigureAwait(false);
        for (int page = 0; page < pages.Length; page++)
        {
            if (!pages[page].IsOk)
            {
                return pages[page];
            }

            pages[page].Value!.CopyTo(devices, page * pageSize);
        }

        return new(devices, null);
    }

    /// <summary>Number of transactions an account has sent, those waiting included.</summary>
    public ValueTask<EvmResult<BigInteger>> GetNonceAsync(Address account, CancellationToken cancel) =>
        GetNumberAsync("eth_getTransactionCount", $"[\"{account}\",\"pending\"]", cancel);

    /// <summary>Coins of an account in wei.</summary>
    public ValueTask<EvmResult<BigInteger>> GetBalanceAsync(Address account, CancellationToken cancel) =>
        GetNumberAsync("eth_getBalance", $"[\"{account}\",\"latest\"]", cancel);

    /// <summary>What the endpoint proposes to pay per gas, tip included, in wei.</summary>
    public ValueTask<EvmResult<BigInteger>> GetGasPriceAsync(CancellationToken cancel) => GetNumberAsync("eth_gasPrice", "[]", cancel);

    /// <summary>Tip per gas in wei; fails on chains without EIP-1559.</summary>
    public ValueTask<EvmResult<BigInteger>> GetPriorityFeeAsync(CancellationToken cancel) =>
        GetNumberAsync("eth_maxPriorityFeePerGas", "[]", cancel);

    /// <summary>Gas a transaction would use; a refusal carries the contract's words.</summary>
    public ValueTask<EvmResult<BigInteger>> EstimateGasAsync(
        Address from, Address? to, ReadOnlyMemory<byte> data, CancellationToken cancel)
    {
        string target = to is { } address ? $"\"to\":\"{address}\"," : "";
        return GetNumberAsync("eth_estimateGas", $"[{{\"from\":\"{from}\",{target}\"data\":\"{EthereumJson.Data(data.Span)}\"}}]", cancel);
    }

    /// <summary>Sends a signed transaction; returns its hash as the endpoint tells it.</summary>
    public async ValueTask<EvmResult<Hash256>> SendAsync(ReadOnlyMemory<byte> raw, CancellationToken cancel)
    {
        JsonRpcReply reply = await CallAsync("eth_sendRawTransaction", $"[\"{EthereumJson.Data(raw.Span)}\"]", cancel).ConfigureAwait(false);
        return reply.IsResult && EthereumJson.TryReadWord(reply.Json.Span, out Hash256 hash) ? new(hash, null) : Fail<Hash256>(reply);
    }

    /// <summary>Whether a transaction is in a block: null while it is not, then whether it succeeded.</summary>
    public async ValueTask<EvmResult<bool?>> GetOutcomeAsync(Hash256 transaction, CancellationToken cancel)
    {
        JsonRpcReply reply = await CallAsync("eth_getTransactionReceipt", $"[\"{transaction}\"]", cancel).ConfigureAwait(false);
        if (reply.IsNull)
        {
            return new(null, null);
        }

        using JsonDocument? document = reply.IsResult ? EthereumJson.TryParse(reply.Json) : null;
        return document is { RootElement.ValueKind: JsonValueKind.Object } && EthereumJson.TryGetQuantity(document.RootElement, "status", out ulong status)
            ? new(status == 1, null)
            : Fail<bool?>(reply);
    }

    private static string Block(ulong? number) => number is { } known ? $"\"{EthereumJson.Quantity(known)}\"" : "\"latest\"";

    private bool TryReadHeader(ReadOnlyMemory<byte> json, [NotNullWhen(true)] out EvmHeader? header) =>
        namesOwnBlocks ? EvmHeader.TryRead(json, out header) : EvmHeader.TryReadTold(json, out header);

    private static EvmResult<T> Fail<T>(in JsonRpcReply reply) => reply.Outcome switch
    {
        JsonRpcOutcome.Error => new(default, ReadError(reply.Json), IsRefusal: true),
        JsonRpcOutcome.Result => new(default, "malformed answer"),
        _ => new(default, reply.Failure ?? "no answer"),
    };

    // The contract's own words if there are any, else the endpoint's.
    private static string ReadError(ReadOnlyMemory<byte> json)
    {
        const int longest = 300;
        using JsonDocument? document = EthereumJson.TryParse(json);
        if (document is not { RootElement.ValueKind: JsonValueKind.Object })
        {
            return "refused without a reason";
        }

        JsonElement error = document.RootElement;
        if (error.TryGetProperty("data", out JsonElement data) && EthereumJson.TryGetText(data, out string? text)
            && text.StartsWith(ErrorSelector, StringComparison.Ordinal) && EthereumJson.TryParseData(text, out byte[]? bytes)
            && new AbiReader(bytes.AsSpan(4)).TryReadString(out string? reason))
        {
            return Printable(reason, longest);
        }

        return error.TryGetProperty("message", out JsonElement message) && EthereumJson.TryGetText(message, out string? words)
            ? Printable(words, longest)
            : "refused without a reason";
    }

    private static string Printable(string text, int longest) =>
        new([.. text.Take(longest).Select(static c => char.IsControl(c) ? ' ' : c)]);

    private async ValueTask<EvmResult<Address[]>> ListPageAsync(
        Address fleet, int offset, int count, ulong block, CancellationToken cancel)
    {
        EvmResult<byte[]> page = await CallContractAsync(fleet, FleetCalls.List(offset, count), block, cancel).ConfigureAwait(false);
        return !page.IsOk ? page.As<Address[]>()
            : FleetCalls.TryReadList(page.Value, count, out Address[]? devices) && devices.Length == count ? new(devices, null)
            : new(null, "malformed list of devices");
    }

    private async ValueTask<EvmResult<BigInteger>> GetNumberAsync(string method, string parameters, CancellationToken cancel)
    {
        JsonRpcReply reply = await CallAsync(method, parameters, cancel).ConfigureAwait(false);
        return reply.IsResult && EthereumJson.TryReadWord(reply.Json.Span, out Hash256 word)
            ? new(new BigInteger(word.ToArray(), isUnsigned: true, isBigEndian: true), null)
            : Fail<BigInteger>(reply);
    }

    private ValueTask<JsonRpcReply> CallAsync(string method, string parameters, CancellationToken cancel) =>
        rpc.CallAsync(method, Encoding.ASCII.GetBytes(parameters), cancel);
}
