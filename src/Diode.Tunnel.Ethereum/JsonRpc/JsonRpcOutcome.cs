namespace Diode.Tunnel.Ethereum.JsonRpc;

/// <summary>What became of a JSON-RPC request.</summary>
public enum JsonRpcOutcome
{
    /// <summary>No endpoint gave a usable answer.</summary>
    Failed,

    /// <summary>The endpoint answered with a result.</summary>
    Result,

    /// <summary>The endpoint refused the request.</summary>
    Error,
}
