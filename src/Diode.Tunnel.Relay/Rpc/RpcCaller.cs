namespace Diode.Tunnel.Relay.Rpc;

/// <summary>Who sends a request.</summary>
internal sealed class RpcCaller
{
    /// <summary>The WebSocket; null over HTTP and from <c>rpc</c>.</summary>
    public RpcSocket? Socket { get; init; }

    /// <summary>The client is a tool that does not read the long nonces of the Diode L1 (a user agent of foundry).</summary>
    public bool StripsNonce { get; init; }

    /// <summary>What requests of the address may still cost; null for none of others.</summary>
    public RpcAddress? Address { get; init; }
}
