using Diode.Tunnel.Ethereum.JsonRpc;

namespace Diode.Tunnel.Engine.Membership.Chain;

/// <summary>Reads fleet contracts of a chain so that no single endpoint decides who is in. Thread-safe; only cancellation throws.</summary>
internal interface IFleetReader
{
    /// <summary>Whether each reading moves bytes that relays are paid for.</summary>
    bool UsesRelays { get; }

    /// <summary>What is asked for names; null where they can't be known well enough.</summary>
    ChainFleetReader? Names { get; }

    /// <summary>Reads who is in.</summary>
    /// <param name="members">The contract, or the name.</param>
    /// <param name="last">What was read before; its block is never undercut.</param>
    /// <param name="isThorough">Take nothing for granted but what is proven: a contract might keep its note badly.</param>
    /// <param name="cancel">Gives up.</param>
    /// <returns>The reading, or why there is none.</returns>
    Task<EvmResult<ChainFleetReading>> ReadAsync(ChainMembers members, ChainFleetReading? last, bool isThorough, CancellationToken cancel);
}
