using System.Buffers;
using System.Text.Json;

namespace Diode.Tunnel.Ethereum.JsonRpc;

/// <summary>JSON-RPC 2.0 requests and answers as bytes. Answers are untrusted: nothing in them throws.</summary>
public static class JsonRpcMessages
{
    /// <summary>Deepest nesting that is read.</summary>
    public const int MaxDepth = 64;

    private static readonly JsonReaderOptions ReaderOptions = new() { MaxDepth = MaxDepth };

    /// <summary>Writes a request body.</summary>
    /// <param name="id">Comes back in the answer.</param>
    /// <param name="method">Name of the method.</param>
    /// <param name="parameters">The JSON text of an array.</param>
    public static byte[] WriteRequest(long id, string method, ReadOnlySpan<byte> parameters)
    {
        var buffer = new ArrayBufferWriter<byte>(128 + parameters.Length);
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            writer.WriteString("jsonrpc"u8, "2.0"u8);
            writer.WriteNumber("id"u8, id);
            writer.WriteString("method"u8, method);
            writer.WritePropertyName("params"u8);
            writer.WriteRawValue(parameters, skipInputValidation: true);
            writer.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>
    /// Takes the answer to request <paramref name="id"/> apart. The result is a slice of <paramref name="body"/>. False
    /// when the body is no such answer.
    /// </summary>
    public static bool TryReadReply(ReadOnlyMemory<byte> body, long id, out JsonRpcReply reply) => TryReadGuarded(body, id, out reply);

    /// <summary>The same for an answer that belongs to its request by other means; <c>id</c> and <c>jsonrpc</c> may be missing.</summary>
    public static bool TryReadReply(ReadOnlyMemory<byte> body, out JsonRpcReply reply) => TryReadGuarded(body, null, out reply);

    /// <summary>Takes a request that <see cref="WriteRequest"/> has written apart.</summary>
    public static bool TryReadRequest(ReadOnlyMemory<byte> body, out long id, out string method, out string parameters)
    {
        (id, method, parameters) = (0, "", "");
        using JsonDocument? document = EthereumJson.TryParse(body);
        if (document is not { RootElement: { ValueKind: JsonValueKind.Object } root }
            || !root.TryGetProperty("id"u8, out JsonElement number) || number.ValueKind != JsonValueKind.Number || !number.TryGetInt64(out id)
            || !root.TryGetProperty("method"u8, out JsonElement name) || !EthereumJson.TryGetText(name, out string? text)
            || !root.TryGetProperty("params"u8, out JsonElement list) || list.ValueKind != JsonValueKind.Array)
        {
            return false;
        }

        (method, parameters) = (text, list.GetRawText());
        return true;
    }

    /// <summary>Writes an answer to a request.</summary>
    /// <param name="id">The request's.</param>
    /// <param name="reply">A result or an error.</param>
    public static byte[] WriteReply(long id, in JsonRpcReply reply)
    {
        var buffer = new ArrayBufferWriter<byte>(64 + reply.Json.Length);
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            writer.WriteNumber("id"u8, id);
            writer.WritePropertyName(reply.IsResult ? "result"u8 : "error"u8);
            writer.WriteRawValue(reply.Json.Span, skipInputValidation: true);
            writer.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    private static bool TryReadGuarded(ReadOnlyMemory<byte> body, long? id, out JsonRpcReply reply)
    {
        reply = JsonRpcReply.FromFailure("malformed answer");
        try
        {
            return TryRead(body, id, ref reply);
        }
        catch (JsonException)
        {
            return false;
        }
        catch (InvalidOperationException)
        {
            // Text that is not UTF-8 is noticed when it is read.
            return false;
        }
    }

    private static bool TryRead(ReadOnlyMemory<byte> body, long? id, ref JsonRpcReply reply)
    {
        var reader = new Utf8JsonReader(body.Span, ReaderOptions);
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
        {
            return false;
        }

        bool rightId = id is null;
        Range? result = null;
        Range? error = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            bool isId = reader.ValueTextEquals("id"u8);
            bool isResult = reader.ValueTextEquals("result"u8);
            bool isError = reader.ValueTextEquals("error"u8);
            if (!reader.Read())
            {
                return false;
            }

            int start = (int)reader.TokenStartIndex;
            if (isId && id is not null)
            {
                rightId = reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out long got) && got == id;
            }

            bool isNull = reader.TokenType == JsonTokenType.Null;
            reader.Skip();
            Range value = start..(int)reader.BytesConsumed;
            if (isResult)
            {
                result = value;
            }
            else if (isError && !isNull)
            {
                error = value;
            }
        }

        if (reader.TokenType != JsonTokenType.EndObject || reader.Read() || !rightId)
        {
            return false;
        }

        if (error is Range refusal)
        {
            reply = JsonRpcReply.FromError(body[refusal]);
            return true;
        }

        if (result is Range good)
        {
            reply = JsonRpcReply.FromResult(body[good]);
            return true;
        }

        return false;
    }
}
