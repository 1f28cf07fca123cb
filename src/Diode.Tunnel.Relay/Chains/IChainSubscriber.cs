namespace Diode.Tunnel.Relay.Chains;

/// <summary>Hears of new blocks. Called from the thread that follows the chain: must not block.</summary>
internal interface IChainSubscriber
{
    /// <summary>A new block.</summary>
    /// <param name="chainId">The chain.</param>
    /// <param name="headerPairs">The encoded list of the nine header pairs (diode-edge §3.5).</param>
    void OnBlock(ulong chainId, ReadOnlySpan<byte> headerPairs);
}
