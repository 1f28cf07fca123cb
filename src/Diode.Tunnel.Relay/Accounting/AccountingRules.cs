namespace Diode.Tunnel.Relay.Accounting;

/// <summary>The numbers of ticket accounting (diode-objects §4.6, <c>ticket_request_policy.ex</c>) and our bounds.</summary>
internal static class AccountingRules
{
    /// <summary>Chain id of the Diode L1, whose tickets are version 1.</summary>
    public const ulong DiodeChainId = 15;

    /// <summary>Unpaid bytes after which a ticket is asked for: 75 % of the grace of 41,943,040.</summary>
    public const long RequestThreshold = 31_457_280;

    /// <summary>Unpaid bytes that a device may have.</summary>
    public const long GraceBytes = 41_943_040;

    /// <summary>Time between asking for a ticket (or accepting the connection) and cutting off, milliseconds.</summary>
    public const long DeadlineMs = 20_000;

    /// <summary>A new ticket is asked for this long after the last one, milliseconds.</summary>
    public const long RenewAfterMs = 8 * 3600 * 1000;

    /// <summary>Our bound of fleets that one device can have tickets for.</summary>
    public const int MaxTicketsPerDevice = 32;

    private const long EpochMs = 2_592_000_000;

    public static ulong GetWallEpoch(long unixTimeMs)
    {
        return (ulong)(Math.Max(unixTimeMs, 0) / EpochMs);
    }
}
