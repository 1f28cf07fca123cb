using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Edge.Sessions;

/// <summary>
/// What a device has moved and signed at one relay in one epoch. The owner of a session keeps it over restarts and gives it to the next
/// session with that relay: totals of tickets are cumulative. Immutable.
/// </summary>
public sealed record TicketTotals
{
    /// <summary>Chain of the tickets.</summary>
    public required ulong ChainId { get; init; }

    /// <summary>Fleet contract of the tickets.</summary>
    public required Address Fleet { get; init; }

    /// <summary>Epoch that the numbers are of; all begin at 0 in the next one.</summary>
    public required ulong Epoch { get; init; }

    /// <summary>Bytes this device has seen go through its sessions and their physical ports.</summary>
    public ulong CountedBytes { get; init; }

    /// <summary>
    /// Bytes this device had signed for before without these totals knowing (lost state, another program with the same key), as a relay
    /// has proven with the signature.
    /// </summary>
    public ulong ForeignBytes { get; init; }

    /// <summary>Bytes of the highest ticket signed.</summary>
    public ulong SignedBytes { get; init; }

    /// <summary>Bytes of the highest ticket the relay accepted.</summary>
    public ulong AcceptedBytes { get; init; }

    /// <summary>Connections of the last ticket signed.</summary>
    public ulong Connections { get; init; }
}
