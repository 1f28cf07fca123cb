namespace Diode.Tunnel.Ethereum.JsonRpc;

/// <summary>The answer to a JSON-RPC request. Nothing in it is trusted: it is well-formed JSON, no more.</summary>
public readonly record struct JsonRpcReply
{
    private JsonRpcReply(JsonRpcOutcome outcome, ReadOnlyMemory<byte> json, string? failure)
    {
        Outcome = outcome;
        Json = json;
        Failure = failure;
    }

    /// <summary>Which of the three it is.</summary>
    public JsonRpcOutcome Outcome { get; }

    /// <summary>The JSON text (UTF-8) of <c>result</c> or <c>error</c>; empty when it failed.</summary>
    public ReadOnlyMemory<byte> Json { get; }

    /// <summary>Why there is no answer, for a log.</summary>
    public string? Failure { get; }

    /// <summary>Whether there is a result.</summary>
    public bool IsResult => Outcome == JsonRpcOutcome.Result;

    /// <summary>Whether the result is <c>null</c>: the endpoint knows no such thing.</summary>
    public bool IsNull => IsResult && Json.Span.SequenceEqual("null"u8);

    /// <summary>A result.</summary>
    public static JsonRpcReply FromResult(ReadOnlyMemory<byte> json) => new(JsonRpcOutcome.Result, json, null);

    /// <summary>A refusal.</summary>
    public static JsonRpcReply FromError(ReadOnlyMemory<byte> json) => new(JsonRpcOutcome.Error, json, null);

    /// <summary>No answer.</summary>
    public static JsonRpcReply FromFailure(string reason) => new(JsonRpcOutcome.Failed, default, reason);
}
