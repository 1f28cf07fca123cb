using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using Diode.Tunnel.Ethereum.JsonRpc;

namespace Diode.Tunnel.Testing.Relay;

/// <summary>
/// A JSON-RPC endpoint without a network: answers from tables, makes up its blocks, counts what it is asked. An answer
/// is the JSON text of a result; one that begins with <c>!</c> is the JSON text of an error.
/// </summary>
internal sealed class CannedChain : IJsonRpcTransport
{
    private readonly ConcurrentDictionary<string, Func<JsonElement, string?>> _methods = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, int> _asked = new(StringComparer.Ordinal);
    private long _peak;

    public CannedChain(ulong chainId, ulong peak, ulong timestamp = RelayWorld.StartMs / 1000)
    {
        Peak = peak;
        Timestamp = timestamp;
        On("eth_chainId", _ => $"\"{EthereumJson.Quantity(chainId)}\"");
        On("eth_blockNumber", _ => $"\"{EthereumJson.Quantity(Peak)}\"");
        On("eth_getBlockByNumber", GetBlock);
    }

    public string Name { get; init; } = "canned";

    public ulong Peak
    {
        get => (ulong)Interlocked.Read(ref _peak);
        set => Interlocked.Exchange(ref _peak, (long)value);
    }

    /// <summary>Time of block 0; each further block is twelve seconds later.</summary>
    public ulong Timestamp { get; set; }

    /// <summary>Blocks that are not made up, as JSON text.</summary>
    public Dictionary<ulong, string> Blocks { get; } = [];

    /// <summary>When set, every request fails so.</summary>
    public string? Failure { get; set; }

    /// <summary>When set, every request waits for it.</summary>
    public Task? Gate { get; set; }

    /// <summary>How often a method was asked for.</summary>
    public int Asked(string method) => _asked.GetValueOrDefault(method);

    /// <summary>Answers a method; null is the answer "method not found".</summary>
    public CannedChain On(string method, Func<JsonElement, string?> answer)
    {
        _methods[method] = answer;
        return this;
    }

    /// <inheritdoc/>
    public async ValueTask<JsonRpcTransportResult> SendAsync(ReadOnlyMemory<byte> body, CancellationToken cancel)
    {
        if (Gate is Task gate)
        {
            await gate.WaitAsync(cancel);
        }

        if (Failure is string failure)
        {
            return JsonRpcTransportResult.Failed(failure);
        }

        using var document = JsonDocument.Parse(body);
        JsonElement request = document.RootElement;
        string method = request.GetProperty("method").GetString()!;
        _asked.AddOrUpdate(method, 1, (_, count) => count + 1);
        string? answer = _methods.TryGetValue(method, out Func<JsonElement, string?>? handler)
            ? handler(request.GetProperty("params"))
            : null;
        answer ??= "!{\"code\":-32601,\"message\":\"Method not found\"}";
        string content = answer.StartsWith('!') ? "\"error\":" + answer[1..] : "\"result\":" + answer;
        return JsonRpcTransportResult.From(
            Encoding.UTF8.GetBytes($"{{\"jsonrpc\":\"2.0\",\"id\":{request.GetProperty("id")},{content}}}"));
    }

    /// <summary>The JSON text of a made-up block.</summary>
    public string MakeBlock(ulong number)
    {
        string Hash(ulong of, string kind) => $"0x{kind.PadLeft(8, '0')}{of:x56}";
        return $$"""
            {"number":"{{EthereumJson.Quantity(number)}}","timestamp":"{{EthereumJson.Quantity(Timestamp + (12 * number))}}",
            "hash":"{{Hash(number, "a")}}","parentHash":"{{Hash(number == 0 ? 0 : number - 1, "a")}}","stateRoot":"{{Hash(number, "b")}}",
            "transactionsRoot":"{{Hash(number, "c")}}","miner":"0x{{new string('0', 40)}}","nonce":"0x0000000000000000",
            "transactions":[]}
            """;
    }

    private string? GetBlock(JsonElement parameters)
    {
        string reference = parameters[0].GetString()!;
        ulong number = reference == "latest" ? Peak
            : EthereumJson.TryParseQuantity(reference, out ulong wanted) ? wanted
            : 0;
        return Blocks.TryGetValue(number, out string? block) ? block
            : number <= Peak ? MakeBlock(number)
            : "null";
    }
}
