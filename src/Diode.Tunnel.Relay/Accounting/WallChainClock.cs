using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Relay.Accounting;

/// <summary>
/// Epochs from the wall clock instead of block times, for a relay that follows no chain: right except for the seconds
/// around the turn of an epoch. Version 1 tickets need block hashes and cannot be judged.
/// </summary>
public sealed class WallChainClock : IChainClock
{
    private const ulong Moonbeam = 1284;
    private const ulong Base = 8453;
    private const ulong Sapphire = 23294;

    /// <inheritdoc/>
    public bool IsKnown(ulong chainId)
    {
        return chainId is Moonbeam or Base or Sapphire;
    }

    /// <inheritdoc/>
    public ulong GetEpoch(ulong chainId, long unixTimeMs)
    {
        return AccountingRules.GetWallEpoch(unixTimeMs);
    }

    /// <inheritdoc/>
    public bool TryGetBlockHash(ulong chainId, ulong blockNumber, out Hash256 hash)
    {
        hash = default;
        return false;
    }
}
