namespace Diode.Tunnel.Ethereum.JsonRpc;

/// <summary>The body of an answer, or why there is none.</summary>
/// <param name="Body">The body as received; null when it failed.</param>
/// <param name="Failure">Why, as text for a log.</param>
public readonly record struct JsonRpcTransportResult(byte[]? Body, string? Failure)
{
    /// <summary>An answer.</summary>
    public static JsonRpcTransportResult From(byte[] body) => new(body, null);

    /// <summary>No answer.</summary>
    public static JsonRpcTransportResult Failed(string reason) => new(null, reason);
}
