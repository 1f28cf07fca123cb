using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.Tickets;

/// <summary>What is known of the tickets at one relay. Immutable; replaced with every look at its session.</summary>
internal sealed record LedgerRow
{
    /// <summary>The relay.</summary>
    public required Address Relay { get; init; }

    /// <summary>Where it was last reached.</summary>
    public string Uri { get; init; } = "";

    /// <summary>Totals of the epoch.</summary>
    public required TicketTotals Totals { get; init; }

    /// <summary>When it last accepted a ticket; null = never.</summary>
    public DateTimeOffset? LastAccepted { get; init; }

    /// <summary>Tickets it refused in this epoch.</summary>
    public long Refused { get; init; }

    /// <summary>The last refusal.</summary>
    public string? LastRefusal { get; init; }

    /// <summary>Times it had to ask in this epoch.</summary>
    public long Asked { get; init; }

    /// <summary>The session as it stands; null while there is none.</summary>
    public TicketStatus? Live { get; init; }

    /// <summary>The relay's last word on what it counted, and what this device could confirm of it.</summary>
    public (ulong Claimed, ulong Confirmed)? Claim { get; init; }

    /// <summary>The relay claimed far more than this device moved.</summary>
    public bool IsOverclaimed { get; init; }
}
