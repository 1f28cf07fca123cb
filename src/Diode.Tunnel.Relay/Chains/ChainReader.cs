using System.Collections.Concurrent;
using System.Text;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.JsonRpc;

namespace Diode.Tunnel.Relay.Chains;

/// <summary>
/// Reads one chain: requests that are equal share one answer, answers that cannot change are kept, the newest block is
/// known. Thread-safe; nothing throws but cancellation.
/// </summary>
internal sealed partial class ChainReader : IDisposable
{
    // Blocks below this depth are taken for final; what is read at younger ones may be undone.
    private const ulong FinalDepth = 12;
    private const int RecentMs = 10_000;
    private const int MaxShared = 4096;
    private const string BlockByNumber = "eth_getBlockByNumber";

    private readonly JsonRpcClient _client;
    private readonly ChainCache _cache;
    private readonly RelayCounters _counters;
    private readonly TimeProvider _time;
    private readonly ConcurrentDictionary<string, Task<JsonRpcReply>> _shared = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _stop = new();

    public ChainReader(
        ChainDefinition chain,
        JsonRpcClient client,
        ChainCache cache,
        RelayCounters counters,
        TimeProvider time,
        Microsoft.Extensions.Logging.ILogger logger)
    {
        Chain = chain;
        _client = client;
        _cache = cache;
        _counters = counters;
        _time = time;
        _logger = logger;
    }

    public ChainDefinition Chain { get; }

    /// <summary>Whether an endpoint of the chain answers.</summary>
    public bool IsReadable => _client.IsVerified;

    /// <summary>Asks without cache.</summary>
    public async ValueTask<JsonRpcReply> CallAsync(
        string method, ReadOnlyMemory<byte> parameters, CancellationToken cancel)
    {
        _counters.ChainRequest();
        return await _client.CallAsync(method, parameters, cancel);
    }

    /// <summary>Reads something that does not change once the block it is read at is final.</summary>
    /// <param name="method">Name of the method.</param>
    /// <param name="parameters">The JSON text of an array that names the block by number or hash.</param>
    /// <param name="block">The number of that block; null for an answer that never changes.</param>
    /// <param name="cancel">Gives up; the request goes on for others who share it.</param>
    public async ValueTask<JsonRpcReply> ReadAsync(
        string method, ReadOnlyMemory<byte> parameters, ulong? block, CancellationToken cancel)
    {
        string key = string.Concat(Chain.Prefix, " ", method, Encoding.UTF8.GetString(parameters.Span));
        if (_cache.TryGet(key, NowMs, out ReadOnlyMemory<byte> json))
        {
            _counters.ChainCacheHit();
            return JsonRpcReply.FromResult(json);
        }

        if (!_shared.TryGetValue(key, out Task<JsonRpcReply>? request))
        {
            if (_shared.Count >= MaxShared)
            {
                return JsonRpcReply.FromFailure("too many requests");
            }

            // Two may start here at once; both then ask, which is harmless.
            request = FetchAsync(key, method, parameters, block);
            if (!request.IsCompleted)
            {
                _shared.TryAdd(key, request);
                _ = request.ContinueWith(
                    _ => _shared.TryRemove(key, out Task<JsonRpcReply>? _),
                    CancellationToken.None,
                    TaskContinuationOptions.ExecuteSynchronously,
                    TaskScheduler.Default);
            }
        }

        return await request.WaitAsync(cancel);
    }

    /// <summary>A block by number; null when there is none or it cannot be read.</summary>
    public async ValueTask<ChainBlock?> GetBlockAsync(ulong number, CancellationToken cancel)
    {
        byte[] parameters = Encoding.ASCII.GetBytes(BlockParameters(number));
        JsonRpcReply reply = await ReadAsync(BlockByNumber, parameters, number, cancel);

        // An endpoint that answers with another block than the one asked for is no help.
        return reply.IsResult && ChainBlock.TryRead(reply.Json, out ChainBlock? block) && block.Number == number
            ? block
            : null;
    }

    /// <summary>The hash of a block that was read lately.</summary>
    public bool TryGetCachedHash(ulong number, out Hash256 hash)
    {
        hash = default;
        string key = BlockKey(number);
        if (_cache.TryGet(key, NowMs, out ReadOnlyMemory<byte> json) && ChainBlock.TryRead(json, out ChainBlock? block))
        {
            hash = block.Hash;
            return true;
        }

        return false;
    }

    /// <summary>Calls a contract; null when it reverts or cannot be read.</summary>
    public async ValueTask<byte[]?> EthCallAsync(
        Address to, ReadOnlyMemory<byte> data, ulong block, CancellationToken cancel)
    {
        byte[] parameters = Encoding.ASCII.GetBytes(
            $"[{{\"to\":\"{to}\",\"data\":\"{EthereumJson.Data(data.Span)}\"}},\"{EthereumJson.Quantity(block)}\"]");
        JsonRpcReply reply = await ReadAsync("eth_call", parameters, block, cancel);
        return reply.IsResult && EthereumJson.TryReadData(reply.Json.Span, out byte[]? result) ? result : null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _stop.Cancel();
        _client.Dispose();
        _stop.Dispose();
    }

    private string BlockKey(ulong number) => string.Concat(Chain.Prefix, " ", BlockByNumber, BlockParameters(number));

    private static string BlockParameters(ulong number) => $"[\"{EthereumJson.Quantity(number)}\",false]";

    private long NowMs => _time.GetUtcNow().ToUnixTimeMilliseconds();

    private async Task<JsonRpcReply> FetchAsync(
        string key, string method, ReadOnlyMemory<byte> parameters, ulong? block)
    {
        JsonRpcReply reply;
        try
        {
            reply = await CallAsync(method, parameters, _stop.Token);
        }
        catch (Exception exception) when (exception is OperationCanceledException or ObjectDisposedException)
        {
            return JsonRpcReply.FromFailure("stopped");
        }

        if (reply.IsResult && !reply.IsNull)
        {
            bool isFinal = block is not ulong number
                || (TryGetPeak(out ChainPeak peak) && number + FinalDepth <= peak.Number);
            _cache.Put(key, reply.Json.Span, isFinal ? long.MaxValue : NowMs + RecentMs);
        }

        return reply;
    }
}
