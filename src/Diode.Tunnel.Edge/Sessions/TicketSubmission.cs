using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Edge.Sessions;

/// <summary>
/// The fields of a <c>ticket</c> or <c>ticketv2</c> command, not checked beyond their shape; spans point into the
/// frame. Numbers above 64 bits are saturated: every limit is far below.
/// </summary>
public readonly ref struct TicketSubmission
{
    /// <summary>Whether it is a version 2 ticket (chain id and epoch) or version 1 (block number).</summary>
    public required bool IsVersion2 { get; init; }

    /// <summary>Chain id; for version 1 the Diode L1, 15.</summary>
    public required ulong ChainId { get; init; }

    /// <summary>Version 2: the epoch. Version 1: the block number.</summary>
    public required ulong EpochOrBlock { get; init; }

    /// <summary>The fleet contract.</summary>
    public required Address Fleet { get; init; }

    /// <summary>Total connections.</summary>
    public required ulong Connections { get; init; }

    /// <summary>Total bytes.</summary>
    public required ulong Bytes { get; init; }

    /// <summary>Relay hint and metadata, any form.</summary>
    public required ReadOnlySpan<byte> LocalAddress { get; init; }

    /// <summary>What stands in the place of the device's SIG65, any length.</summary>
    public required ReadOnlySpan<byte> Signature { get; init; }
}
