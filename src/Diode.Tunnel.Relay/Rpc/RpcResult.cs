using System.Text;
using System.Text.Json;
using Diode.Tunnel.Ethereum.JsonRpc;

namespace Diode.Tunnel.Relay.Rpc;

/// <summary>What became of one request: a result, or an error whose members go into the envelope (diode-node §8.2).</summary>
internal sealed record RpcResult
{
    private static readonly byte[] Null = "null"u8.ToArray();

    /// <summary>HTTP status.</summary>
    public int Status { get; private init; } = 200;

    /// <summary>JSON text of the result; null for an error.</summary>
    public ReadOnlyMemory<byte>? Result { get; private init; }

    /// <summary>An error that is only a text.</summary>
    public string? ErrorText { get; private init; }

    /// <summary>Code of an error; null for none.</summary>
    public long? Code { get; private init; }

    /// <summary>Message of an error.</summary>
    public string? Message { get; private init; }

    /// <summary>JSON text of an error's data.</summary>
    public byte[]? Data { get; private init; }

    public static RpcResult BadRequest { get; } = new() { Status = 400, Message = "Bad request" };

    /// <summary>Parameters of the wrong number or form; the upper case is on the wire.</summary>
    public static RpcResult BadParameters { get; } = new() { Status = 400, Message = "Bad Request" };

    public static RpcResult Unsupported { get; } = new() { Status = 422, ErrorText = "Unsupported method" };

    public static RpcResult NotFound { get; } = new() { Status = 404, Result = Null };

    public static RpcResult NotAuthenticated { get; } = Error(400, -32000, "not authenticated");

    public static RpcResult InvalidParameters { get; } = Error(400, -32602, "invalid params");

    public static RpcResult Done { get; } = new() { Result = Null };

    public static RpcResult From(ReadOnlyMemory<byte> json, int status = 200) => new() { Result = json, Status = status };

    public static RpcResult From(Action<Utf8JsonWriter> write) => From(RpcJson.Write(write));

    public static RpcResult FromText(string text) => From(writer => writer.WriteStringValue(text));

    /// <summary>A null result with another status than 200.</summary>
    public static RpcResult Empty(int status) => new() { Status = status, Result = Null };

    public static RpcResult Error(int status, long? code, string message, byte[]? data = null)
    {
        return new() { Status = status, Code = code, Message = message, Data = data };
    }

    /// <summary>The error of somebody else, as it came: an object with code and message, or anything.</summary>
    public static RpcResult FromForeignError(ReadOnlyMemory<byte> json)
    {
        using JsonDocument? document = EthereumJson.TryParse(json);
        if (document is null)
        {
            return Error(400, null, "upstream error");
        }

        JsonElement root = document.RootElement;
        if (root.ValueKind != JsonValueKind.Object)
        {
            return new()
            {
                Status = 400,
                ErrorText = EthereumJson.TryGetText(root, out string? plain)
                    ? plain
                    : Encoding.UTF8.GetString(json.Span),
            };
        }

        long? code = root.TryGetProperty("code", out JsonElement number) && number.ValueKind == JsonValueKind.Number
            && number.TryGetInt64(out long value) ? value : null;
        string message = root.TryGetProperty("message", out JsonElement text)
            && EthereumJson.TryGetText(text, out string? words) ? words : "upstream error";
        byte[]? data = root.TryGetProperty("data", out JsonElement extra)
            ? Encoding.UTF8.GetBytes(extra.GetRawText())
            : null;
        return Error(400, code, message, data);
    }

    /// <summary>The envelope around it.</summary>
    /// <param name="id">JSON text of the id.</param>
    public byte[] ToEnvelope(ReadOnlySpan<byte> id)
    {
        byte[] copy = id.ToArray();
        return RpcJson.Write(writer =>
        {
            writer.WriteStartObject();
            if (Result is ReadOnlyMemory<byte> result)
            {
                writer.WritePropertyName("result"u8);
                writer.WriteRawValue(result.Span, skipInputValidation: true);
            }

            if (ErrorText is not null)
            {
                writer.WriteString("error"u8, ErrorText);
            }

            if (Message is not null)
            {
                writer.WriteString("message"u8, Message);
            }

            writer.WriteString("jsonrpc"u8, "2.0"u8);
            writer.WritePropertyName("id"u8);
            writer.WriteRawValue(copy, skipInputValidation: true);
            if (Data is not null)
            {
                writer.WritePropertyName("data"u8);
                writer.WriteRawValue(Data, skipInputValidation: true);
            }

            if (Code is long code)
            {
                writer.WriteNumber("code"u8, code);
            }

            writer.WriteEndObject();
        });
    }
}
