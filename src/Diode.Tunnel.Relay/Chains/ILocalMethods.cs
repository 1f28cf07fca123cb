using System.Text.Json;

namespace Diode.Tunnel.Relay.Chains;

/// <summary>The methods that <c>rpc</c> executes in this relay instead of asking a chain (diode-edge §3.5).</summary>
internal interface ILocalMethods
{
    /// <summary>Whether the method is one of them.</summary>
    bool IsLocal(string method);

    /// <summary>Executes it; the answer is the JSON text of an object with <c>result</c> or <c>error</c>.</summary>
    ValueTask<byte[]> ExecuteAsync(string method, JsonElement parameters, CancellationToken cancel);
}
