namespace Diode.Tunnel.Edge.Sessions;

/// <summary>How a session stands with its tickets at one moment. Immutable.</summary>
public sealed record TicketStatus
{
    /// <summary>Totals of the epoch; null before the first ticket.</summary>
    public TicketTotals? Totals { get; init; }

    /// <summary>Bytes the relay is taken to have counted: its last word and what moved since, or our own count before its first word.</summary>
    public ulong UsageBytes { get; init; }

    /// <summary>The relay's last word on the bytes it has counted; null if it said nothing in this epoch.</summary>
    public ulong? ClaimedBytes { get; init; }

    /// <summary>What this device could confirm of that at that moment.</summary>
    public ulong ConfirmedBytes { get; init; }

    /// <summary>Whether the relay claims far more than this device has moved or signed.</summary>
    public bool IsOverclaimed { get; init; }

    /// <summary>Most bytes that tickets of this epoch may sign for; null = no limit.</summary>
    public ulong? Budget { get; init; }

    /// <summary>Whether nothing more is signed because of <see cref="Budget"/>.</summary>
    public bool IsBudgetReached { get; init; }

    /// <summary>When the relay last accepted a ticket, Unix milliseconds; 0 = never.</summary>
    public long LastAcceptedMs { get; init; }

    /// <summary>Tickets accepted in this session.</summary>
    public long Accepted { get; init; }

    /// <summary>Tickets refused in this session, those that were corrected and accepted afterwards among them.</summary>
    public long Refused { get; init; }

    /// <summary>Times the relay had to ask for a ticket in this session, except right after hello.</summary>
    public long Asked { get; init; }

    /// <summary>The last refusal, for people; null if there was none.</summary>
    public string? LastRefusal { get; init; }
}
