using System.Text.Json.Serialization;

namespace Diode.Tunnel.Control.Models;

/// <summary>What this device pays relays for carrying its traffic: <c>GET /v1/tickets</c>. All numbers are bytes of this epoch.</summary>
public sealed record TicketLedger
{
    /// <summary>See <see cref="ControlSchema.Version"/>.</summary>
    public int SchemaVersion { get; init; } = ControlSchema.Version;

    /// <summary>When the epoch ends and all totals begin at 0, UTC.</summary>
    public required DateTimeOffset EpochEnds { get; init; }

    /// <summary>Signed for at all relays together.</summary>
    public required long TotalBytes { get; init; }

    /// <summary>Most to sign for at all relays together; null = no limit.</summary>
    public long? Budget { get; init; }

    /// <summary>Most to sign for at each relay; null = no limit.</summary>
    public long? BudgetPerRelay { get; init; }

    /// <summary>Used part of the budget that is nearest to its end, percent.</summary>
    public int BudgetUsedPercent { get; init; }

    /// <summary>Each relay with tickets in this epoch.</summary>
    public IReadOnlyList<TicketEntry> Relays { get; init => field = value ?? []; } = [];
}

/// <summary>The tickets at one relay.</summary>
public sealed record TicketEntry
{
    /// <summary>The relay's address, lower-case <c>0x…</c>.</summary>
    public required string Relay { get; init; }

    /// <summary>Where it was last reached.</summary>
    public string? Uri { get; init; }

    /// <summary>There is a session now.</summary>
    public bool Connected { get; init; }

    /// <summary>Number of the epoch.</summary>
    public required long Epoch { get; init; }

    /// <summary>Bytes of the last ticket the relay accepted.</summary>
    public required long PaidBytes { get; init; }

    /// <summary>Connections of the last ticket.</summary>
    public required long Connections { get; init; }

    /// <summary>What this device has seen go through.</summary>
    public required long CountedBytes { get; init; }

    /// <summary>Used and not paid yet; 0 when paid ahead.</summary>
    public long UnpaidBytes { get; init; }

    /// <summary>What the relay last said it counted; null if it said nothing.</summary>
    public long? ClaimedBytes { get; init; }

    /// <summary>Part of that claim that this device cannot confirm.</summary>
    public long UnconfirmedBytes { get; init; }

    /// <summary>The relay claims far more than was moved; more is not signed.</summary>
    public bool Overclaimed { get; init; }

    /// <summary>Nothing more is paid because the budget is used up.</summary>
    public bool BudgetReached { get; init; }

    /// <summary>When the relay last accepted a ticket, UTC.</summary>
    public DateTimeOffset? LastAccepted { get; init; }

    /// <summary>Times the relay had to ask for a ticket.</summary>
    public long Asked { get; init; }

    /// <summary>Tickets the relay refused at first.</summary>
    public long Refused { get; init; }

    /// <summary>Why, the last time.</summary>
    public string? LastRefusal { get; init; }
}

/// <summary><c>POST /v1/tickets/budget</c>.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record TicketBudgetRequest
{
    /// <summary>Most bytes to sign for at all relays in an epoch; 0 = no limit; null = as it is.</summary>
    public long? Bytes { get; init; }

    /// <summary>The same at each relay.</summary>
    public long? BytesPerRelay { get; init; }
}
