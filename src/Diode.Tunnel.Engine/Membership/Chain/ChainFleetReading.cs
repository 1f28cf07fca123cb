using System.Collections.Immutable;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.Membership.Chain;

/// <summary>Who a contract lets in, and how that is known.</summary>
/// <param name="Block">As of which block.</param>
/// <param name="BlockTime">Time of that block.</param>
/// <param name="Devices">The devices, in the contract's order.</param>
/// <param name="Assurance">How it is known.</param>
/// <param name="Text">The same for people.</param>
/// <param name="StorageRoot">Root of the contract's storage if it was proven: while it stays, nothing has changed.</param>
public sealed record ChainFleetReading(
    ulong Block, DateTimeOffset BlockTime, ImmutableArray<Address> Devices, FleetAssurance Assurance, string Text, Hash256? StorageRoot)
{
    /// <summary>Block of the last change as the contract itself keeps it, as enough endpoints told; null where it keeps none.</summary>
    public ulong? LastChange { get; init; }

    /// <summary>As of which block the devices themselves were read; of later blocks only that nothing has changed.</summary>
    public ulong ReadAt { get; init; } = Block;

    /// <summary>How the devices were read, for people.</summary>
    public string ReadText { get; init; } = Text;
}
