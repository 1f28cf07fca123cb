using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.JsonRpc;

namespace Diode.Tunnel.Relay.Chains;

/// <summary>A chain and its endpoints, as the gateway takes them.</summary>
internal sealed record ChainSource
{
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(10);

    public required ChainDefinition Chain { get; init; }

    public required IReadOnlyList<IJsonRpcTransport> Endpoints { get; init; }

    /// <summary>What <c>eth_chainId</c> must answer; that of the chain, except in tests.</summary>
    public ulong ExpectedChainId => UpstreamChainId ?? Chain.ChainId;

    /// <summary>Set in tests, where one chain stands in for several.</summary>
    public ulong? UpstreamChainId { get; init; }

    /// <summary>Signs and pays for meta transactions; null when the relay does not.</summary>
    public PrivateKey? MetaKey { get; init; }

    public static ChainSource FromOptions(ChainOptions options, PrivateKey? metaKey)
    {
        return new ChainSource
        {
            Chain = options.Chain,
            Endpoints = [.. options.Endpoints.Select(endpoint => new HttpJsonRpcTransport(endpoint, AnswerTimeout))],
            MetaKey = metaKey,
        };
    }
}
