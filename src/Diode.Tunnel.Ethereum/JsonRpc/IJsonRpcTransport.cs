namespace Diode.Tunnel.Ethereum.JsonRpc;

/// <summary>One JSON-RPC endpoint: takes a request body to it and brings the answer back. Thread-safe.</summary>
public interface IJsonRpcTransport
{
    /// <summary>Name for logs; without secrets that may be part of an address.</summary>
    string Name { get; }

    /// <summary>
    /// Sends one body. Bounds size and time of the answer itself, and reports whatever goes wrong in the result; only
    /// a cancelled <paramref name="cancel"/> throws.
    /// </summary>
    /// <exception cref="OperationCanceledException"><paramref name="cancel"/> was cancelled.</exception>
    ValueTask<JsonRpcTransportResult> SendAsync(ReadOnlyMemory<byte> body, CancellationToken cancel);
}
