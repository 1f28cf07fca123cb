namespace Diode.Tunnel.Engine.Tickets;

/// <summary>Most bytes that tickets of one epoch (30 days) may sign for.</summary>
/// <param name="Total">At all relays together; null = no limit.</param>
/// <param name="PerRelay">At each relay; null = no limit.</param>
public sealed record TrafficBudget(ulong? Total = null, ulong? PerRelay = null)
{
    /// <summary>No limit.</summary>
    public static TrafficBudget None { get; } = new();

    /// <summary>Whether there is no limit at all.</summary>
    public bool IsNone => Total is null && PerRelay is null;
}
