using System.Buffers;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using Diode.Tunnel.Ethereum.JsonRpc;

namespace Diode.Tunnel.Relay.Rpc;

/// <summary>
/// Answers bodies with bodies: single requests, batches, garbage. Without sockets. Thread-safe; nothing a client sends
/// throws.
/// </summary>
internal sealed class RpcCore(RpcMethods methods, RelayCounters counters)
{
    private static readonly byte[] NoId = "0"u8.ToArray();
    private static readonly JsonDocumentOptions Options = new() { MaxDepth = RpcLimits.MaxDepth };

    /// <summary>Answers a body; the status is that of HTTP.</summary>
    public async ValueTask<(int Status, byte[] Body)> HandleAsync(
        ReadOnlyMemory<byte> body, RpcCaller caller, CancellationToken cancel)
    {
        using JsonDocument? document = TryParse(body);
        return document is null
            ? Refuse()
            : await HandleAsync(document.RootElement, caller, cancel);
    }

    /// <summary>Reads a body; null when it is no JSON, or has texts that are no texts.</summary>
    public JsonDocument? TryParse(ReadOnlyMemory<byte> body)
    {
        try
        {
            if (HasOnlyTexts(body.Span))
            {
                return JsonDocument.Parse(body, Options);
            }
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            // Counted below.
        }

        counters.RpcBadInput();
        return null;
    }

    // The document reads texts only when they are asked for, and throws then: broken UTF-8, halves of surrogate pairs.
    private static bool HasOnlyTexts(ReadOnlySpan<byte> body)
    {
        if (!Utf8.IsValid(body))
        {
            return false;
        }

        var reader = new Utf8JsonReader(body, new JsonReaderOptions { MaxDepth = RpcLimits.MaxDepth });
        while (reader.Read())
        {
            if (reader.TokenType is JsonTokenType.String or JsonTokenType.PropertyName && reader.ValueIsEscaped)
            {
                _ = reader.GetString();
            }
        }

        return true;
    }

    /// <summary>Answers a body that was read.</summary>
    public async ValueTask<(int Status, byte[] Body)> HandleAsync(
        JsonElement root, RpcCaller caller, CancellationToken cancel)
    {
        if (root.ValueKind != JsonValueKind.Array)
        {
            (RpcResult result, byte[] id) = await ExecuteAsync(root, caller, cancel);
            return (result.Status, result.ToEnvelope(id));
        }

        int count = root.GetArrayLength();
        return count is 0 or > RpcLimits.MaxBatch ? Refuse() : (200, await HandleBatchAsync(root, caller, cancel));
    }

    private async ValueTask<byte[]> HandleBatchAsync(JsonElement batch, RpcCaller caller, CancellationToken cancel)
    {
        var answer = new ArrayBufferWriter<byte>(1024);
        answer.Write("["u8);
        bool first = true;

        // Requests that change the connection have an order.
        int width = caller.Socket is null ? RpcLimits.BatchWidth : 1;
        foreach (JsonElement[] part in batch.EnumerateArray().Chunk(width))
        {
            byte[][] envelopes = await Task.WhenAll(part.Select(async request =>
            {
                if (answer.WrittenCount > RpcLimits.MaxBatchAnswer)
                {
                    return RpcResult.Error(400, -32005, "answer too long").ToEnvelope(ReadId(request));
                }

                (RpcResult result, byte[] id) = await ExecuteAsync(request, caller, cancel);
                return result.ToEnvelope(id);
            }));
            foreach (byte[] envelope in envelopes)
            {
                if (!first)
                {
                    answer.Write(","u8);
                }

                first = false;
                answer.Write(envelope);
            }
        }

        answer.Write("]"u8);
        return answer.WrittenSpan.ToArray();
    }

    private async ValueTask<(RpcResult Result, byte[] Id)> ExecuteAsync(
        JsonElement request, RpcCaller caller, CancellationToken cancel)
    {
        counters.RpcRequest();
        byte[] id = ReadId(request);
        if (request.ValueKind != JsonValueKind.Object
            || !request.TryGetProperty("id", out _)
            || !request.TryGetProperty("method", out JsonElement name)
            || !EthereumJson.TryGetText(name, out string? method)
            || method.Length == 0)
        {
            return (RpcResult.BadRequest, id);
        }

        if (caller.Address is RpcAddress address
            && !address.TryTake(method == "dio_ticket" ? RpcLimits.TicketWeight : 1))
        {
            counters.RpcRefused();
            return (RpcResult.Error(429, -32005, "too many requests"), id);
        }

        bool hasParameters = request.TryGetProperty("params", out JsonElement given)
            && given.ValueKind == JsonValueKind.Array;
        JsonElement[] parameters = hasParameters ? [.. given.EnumerateArray()] : [];
        try
        {
            return (await methods.ExecuteAsync(method, parameters, caller, cancel), id);
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            // A fault of ours costs one answer, not the connection.
            counters.InternalError();
            return (RpcResult.Error(500, -32603, "internal error"), id);
        }
    }

    private (int Status, byte[] Body) Refuse()
    {
        counters.RpcBadInput();
        return (400, RpcResult.BadRequest.ToEnvelope(NoId));
    }

    // Real relays show the number 0 where there is none.
    private static byte[] ReadId(JsonElement request)
    {
        const int longest = 256;
        string text = request.ValueKind == JsonValueKind.Object && request.TryGetProperty("id", out JsonElement id)
            ? id.GetRawText()
            : "0";
        return text.Length <= longest ? Encoding.UTF8.GetBytes(text) : NoId;
    }
}
