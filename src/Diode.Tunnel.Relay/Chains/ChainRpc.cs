using System.Buffers;
using System.Text;
using System.Text.Json;
using Diode.Tunnel.Ethereum.JsonRpc;

namespace Diode.Tunnel.Relay.Chains;

/// <summary>Passes JSON-RPC requests of clients on to a chain: what may be asked, and what is kept.</summary>
internal static class ChainRpc
{
    private static readonly string[] Families = ["eth_", "net_", "web3_", "trace_", "parity_", "oasis_", "dio_"];

    // Methods that use accounts or settings of the endpoint: it is the operator's, not the client's.
    private static readonly HashSet<string> Forbidden = new(StringComparer.Ordinal)
    {
        "eth_accounts", "eth_sendTransaction", "eth_sign", "eth_signTransaction", "eth_signTypedData",
        "eth_signTypedData_v3", "eth_signTypedData_v4", "eth_subscribe", "eth_unsubscribe", "eth_newFilter",
        "eth_newBlockFilter", "eth_newPendingTransactionFilter", "eth_getFilterChanges", "eth_getFilterLogs",
        "eth_uninstallFilter", "eth_submitWork", "eth_submitHashrate", "parity_setEngineSigner",
    };

    // Where the block stands among the parameters of methods whose answer depends on nothing else.
    private static readonly Dictionary<string, int> BlockPositions = new(StringComparer.Ordinal)
    {
        ["eth_getBalance"] = 1,
        ["eth_getTransactionCount"] = 1,
        ["eth_getCode"] = 1,
        ["eth_call"] = 1,
        ["eth_getStorageAt"] = 2,
        ["eth_getProof"] = 2,
        ["eth_getBlockByNumber"] = 0,
        ["eth_getBlockTransactionCountByNumber"] = 0,
    };

    private static readonly HashSet<string> Unchanging = new(StringComparer.Ordinal) { "eth_chainId", "net_version" };

    private static readonly byte[] NotFound =
        "{\"code\":-32601,\"message\":\"Method not found\"}"u8.ToArray();

    /// <summary>Whether a method is passed on at all.</summary>
    public static bool IsAllowed(string method)
    {
        return Families.Any(family => method.StartsWith(family, StringComparison.Ordinal))
            && !Forbidden.Contains(method);
    }

    /// <summary>Asks the chain, or the cache.</summary>
    /// <param name="reader">The chain.</param>
    /// <param name="method">Any text.</param>
    /// <param name="parameters">An array.</param>
    /// <param name="cancel">Gives up.</param>
    public static async ValueTask<JsonRpcReply> ForwardAsync(
        ChainReader reader, string method, JsonElement parameters, CancellationToken cancel)
    {
        if (!IsAllowed(method))
        {
            return JsonRpcReply.FromError(NotFound);
        }

        if (Unchanging.Contains(method) && parameters.GetArrayLength() == 0)
        {
            return await reader.ReadAsync(method, "[]"u8.ToArray(), null, cancel);
        }

        bool knowsBlock = BlockPositions.TryGetValue(method, out int position)
            && parameters.GetArrayLength() is int length
            && length > position
            && (method != "eth_call" || length == 2)
            && (method != "eth_call" || reader.Chain.Prefix != "sapphire");
        if (!knowsBlock)
        {
            return await reader.CallAsync(method, Rewrite(parameters, -1, null), cancel);
        }

        ChainBlock? peak = await reader.GetPeakAsync(cancel);
        ulong? block = ResolveBlock(parameters[position], peak);
        if (peak is null || block is not ulong number || number > peak.Number)
        {
            return await reader.CallAsync(method, Rewrite(parameters, -1, null), cancel);
        }

        byte[] pinned = Rewrite(parameters, position, EthereumJson.Quantity(number));
        return await reader.ReadAsync(method, pinned, number, cancel);
    }

    // Null for names such as "pending", which mean something else every time.
    private static ulong? ResolveBlock(JsonElement element, ChainBlock? peak)
    {
        if (element.ValueKind == JsonValueKind.Number)
        {
            return element.TryGetUInt64(out ulong number) ? number : null;
        }

        if (!EthereumJson.TryGetText(element, out string? text))
        {
            return null;
        }

        return text switch
        {
            "latest" => peak?.Number,
            "earliest" => 0,
            _ => EthereumJson.TryParseQuantity(text, out ulong value) ? value : null,
        };
    }

    // The same request has the same text afterwards, however it was spaced.
    private static byte[] Rewrite(JsonElement parameters, int replaced, string? replacement)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartArray();
            int at = 0;
            foreach (JsonElement parameter in parameters.EnumerateArray())
            {
                if (at++ == replaced)
                {
                    writer.WriteStringValue(replacement);
                }
                else
                {
                    parameter.WriteTo(writer);
                }
            }

            writer.WriteEndArray();
        }

        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>
    /// The answer as JSON text with ascending keys: <c>{"id":…,"jsonrpc":"2.0","result":…}</c>, <c>error</c> in place of
    /// the result where there is one.
    /// </summary>
    public static byte[] WriteEnvelope(long id, in JsonRpcReply reply)
    {
        var buffer = new ArrayBufferWriter<byte>(reply.Json.Length + 64);
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            if (reply.Outcome == JsonRpcOutcome.Error)
            {
                writer.WritePropertyName("error"u8);
                WriteRaw(writer, reply.Json.Span);
            }
            else if (reply.Outcome == JsonRpcOutcome.Failed)
            {
                writer.WriteStartObject("error"u8);
                writer.WriteNumber("code"u8, -32603);
                writer.WriteString("message"u8, "upstream not available"u8);
                writer.WriteEndObject();
            }

            writer.WriteNumber("id"u8, id);
            writer.WriteString("jsonrpc"u8, "2.0"u8);
            if (reply.IsResult)
            {
                writer.WritePropertyName("result"u8);
                WriteRaw(writer, reply.Json.Span);
            }

            writer.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    private static void WriteRaw(Utf8JsonWriter writer, ReadOnlySpan<byte> json)
    {
        writer.WriteRawValue(json, skipInputValidation: true);
    }

    /// <summary>An error as real relays show it: the way Elixir prints a map.</summary>
    public static string Inspect(ReadOnlyMemory<byte> json)
    {
        const int longest = 1024;
        using JsonDocument? document = EthereumJson.TryParse(json);
        var text = new StringBuilder();
        if (document is not null)
        {
            Inspect(document.RootElement, text);
        }

        return text.Length <= longest ? text.ToString() : text.ToString(0, longest);
    }

    private static void Inspect(JsonElement element, StringBuilder text)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                text.Append("%{");
                IEnumerable<JsonProperty> members =
                    element.EnumerateObject().OrderBy(member => member.Name, StringComparer.Ordinal);
                string comma = "";
                foreach (JsonProperty member in members)
                {
                    text.Append(comma).Append('"').Append(member.Name).Append("\" => ");
                    Inspect(member.Value, text);
                    comma = ", ";
                }

                text.Append('}');
                break;
            case JsonValueKind.Array:
                text.Append('[');
                string separator = "";
                foreach (JsonElement item in element.EnumerateArray())
                {
                    text.Append(separator);
                    Inspect(item, text);
                    separator = ", ";
                }

                text.Append(']');
                break;
            case JsonValueKind.String when EthereumJson.TryGetText(element, out string? value):
                text.Append('"').Append(value.Replace("\\", "\\\\", StringComparison.Ordinal)
                    .Replace("\"", "\\\"", StringComparison.Ordinal)).Append('"');
                break;
            case JsonValueKind.Null:
                text.Append("nil");
                break;
            default:
                text.Append(element.GetRawText());
                break;
        }
    }
}
