using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Relay.Accounting;

namespace Diode.Tunnel.Relay.Chains;

/// <summary>
/// Epochs by the time of the newest block, where a chain is read; by the wall clock where it is not, or not yet.
/// </summary>
internal sealed class ChainClock(ChainGateway gateway) : IChainClock
{
    private readonly WallChainClock _wall = new();

    /// <inheritdoc/>
    public bool IsKnown(ulong chainId)
    {
        return gateway.Find(chainId) is ChainReader reader
            ? !reader.Chain.IsDiode || reader.TryGetPeak(out _)
            : _wall.IsKnown(chainId);
    }

    /// <inheritdoc/>
    public ulong GetEpoch(ulong chainId, long unixTimeMs)
    {
        if (!gateway.TryGetPeak(chainId, out ChainPeak peak))
        {
            return _wall.GetEpoch(chainId, unixTimeMs);
        }

        return chainId == ChainDefinition.DiodeChainId
            ? peak.Number / Edge.EdgeLimits.EpochBlocks
            : AccountingRules.GetWallEpoch((long)Math.Min(peak.Timestamp, long.MaxValue / 1000) * 1000);
    }

    /// <inheritdoc/>
    public bool TryGetBlockHash(ulong chainId, ulong blockNumber, out Hash256 hash)
    {
        return gateway.TryGetBlockHash(chainId, blockNumber, out hash);
    }
}
