using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Relay.Accounting;

/// <summary>What the relay knows about the chains that tickets are bound to. Thread-safe.</summary>
public interface IChainClock
{
    /// <summary>Whether tickets of this chain can be judged.</summary>
    bool IsKnown(ulong chainId);

    /// <summary>The current ticket epoch of a known chain (diode-objects §4.3).</summary>
    ulong GetEpoch(ulong chainId, long unixTimeMs);

    /// <summary>The hash of a block, which version 1 tickets sign; false when it is not known.</summary>
    bool TryGetBlockHash(ulong chainId, ulong blockNumber, out Hash256 hash);
}
