using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Edge.Sessions;

/// <summary>
/// The fields of a <c>channel</c> command, not checked beyond their shape; spans point into the frame. Numbers above
/// 64 bits are saturated.
/// </summary>
public readonly ref struct ChannelSubmission
{
    /// <summary>Chain of the block and the fleet.</summary>
    public required ulong ChainId { get; init; }

    /// <summary>Block whose hash the device signed.</summary>
    public required ulong BlockNumber { get; init; }

    /// <summary>The fleet contract.</summary>
    public required Address Fleet { get; init; }

    /// <summary>Text of any length; <c>mailbox</c> and <c>broadcast</c> are known.</summary>
    public required ReadOnlySpan<byte> Type { get; init; }

    /// <summary>Name of any length.</summary>
    public required ReadOnlySpan<byte> Name { get; init; }

    /// <summary>One encoded RLP item; only the empty list is valid.</summary>
    public required ReadOnlySpan<byte> Parameters { get; init; }

    /// <summary>What stands in the place of the device's SIG65, any length.</summary>
    public required ReadOnlySpan<byte> Signature { get; init; }
}
