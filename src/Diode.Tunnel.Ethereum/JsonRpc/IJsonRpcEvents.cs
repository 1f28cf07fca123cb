namespace Diode.Tunnel.Ethereum.JsonRpc;

/// <summary>What an operator wants to know about endpoints. Called from any thread; must not block.</summary>
public interface IJsonRpcEvents
{
    /// <summary>An endpoint proved to be of the right chain and is used.</summary>
    void OnVerified(string endpoint);

    /// <summary>An endpoint is of another chain; it is not used again.</summary>
    void OnRefused(string endpoint, ulong chainId);

    /// <summary>An endpoint gave no usable answer; the next one is asked.</summary>
    void OnFailed(string endpoint, string reason);
}
