using Diode.Tunnel.Relay.Chains;

namespace Diode.Tunnel.Relay.Rpc;

/// <summary>What the transports of the JSON-RPC interface use.</summary>
/// <param name="Core">The relay.</param>
/// <param name="Chains">Its chains.</param>
/// <param name="Rpc">Answers requests.</param>
/// <param name="Sockets">The WebSockets.</param>
/// <param name="Identity">Signs answers.</param>
/// <param name="Time">Clock.</param>
internal sealed record RpcServices(
    RelayCore Core, ChainGateway Chains, RpcCore Rpc, DeviceSockets Sockets, RpcIdentity Identity, TimeProvider Time)
{
    /// <summary>Memory of all connections.</summary>
    public RpcBudget Budget { get; } = new(RpcLimits.MaxMemory);

    /// <summary>Unix milliseconds.</summary>
    public long NowMs => Time.GetUtcNow().ToUnixTimeMilliseconds();
}
