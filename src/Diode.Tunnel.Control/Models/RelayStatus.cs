namespace Diode.Tunnel.Control.Models;

/// <summary>One relay session.</summary>
public sealed record RelayStatus
{
    /// <summary><c>diode://0x…@host:port</c>.</summary>
    public required string Uri { get; init; }

    /// <summary>State of the session.</summary>
    public required RelayState State { get; init; }

    /// <summary>Round trip to the relay in milliseconds, null before the first measurement.</summary>
    public double? RttMs { get; init; }

    /// <summary>What this device has signed for at this relay.</summary>
    public RelayTicketStatus? Ticket { get; init; }

    /// <summary>Not configured here, but named by a peer as the place to meet it; kept as long as that is so.</summary>
    public bool ForPeers { get; init; }

    /// <summary>The last failure, one line; null when there was none since the session opened.</summary>
    public string? Error { get; init; }
}

/// <summary>The running ticket of one relay session: what this device has vouched for by signature.</summary>
public sealed record RelayTicketStatus
{
    /// <summary>Bytes signed for in the running epoch.</summary>
    public required long TotalBytes { get; init; }

    /// <summary>Connections signed for in the running epoch.</summary>
    public required long TotalConnections { get; init; }

    /// <summary>Epoch number of the ticket, null if not known.</summary>
    public long? Epoch { get; init; }

    /// <summary>When the relay last accepted a ticket, UTC.</summary>
    public DateTimeOffset? LastAccepted { get; init; }
}
