namespace Diode.Tunnel.Control.Models;

/// <summary>One device this one can reach.</summary>
public sealed record PeerStatus
{
    /// <summary>The peer's device address, lower-case <c>0x…</c>.</summary>
    public required string Device { get; init; }

    /// <summary>The label its fleet gives it.</summary>
    public string? Label { get; init; }

    /// <summary>The fleet it is reached through.</summary>
    public string? Fleet { get; init; }

    /// <summary>Its name on this machine, <c>label.fleet.diode</c>.</summary>
    public string? Name { get; init; }

    /// <summary>Its virtual IPv4 address as used on this machine.</summary>
    public string? Ipv4 { get; init; }

    /// <summary>Its virtual IPv6 address.</summary>
    public string? Ipv6 { get; init; }

    /// <summary>True if <see cref="Ipv4"/> is a local alias because its own address is taken on this machine.</summary>
    public bool Alias { get; init; }

    /// <summary>True if packets reach it now.</summary>
    public bool Online { get; init; }

    /// <summary>The way packets take and why.</summary>
    public PeerPath Path { get; init => field = value ?? PeerPath.None; } = PeerPath.None;

    /// <summary>Last completed WireGuard handshake, UTC; null if there was none.</summary>
    public DateTimeOffset? LastHandshake { get; init; }

    /// <summary>Bytes received from it.</summary>
    public long RxBytes { get; init; }

    /// <summary>Bytes sent to it.</summary>
    public long TxBytes { get; init; }

    /// <summary>The address datagrams go to, for a direct or relay UDP path.</summary>
    public string? Endpoint { get; init; }
}

/// <summary>The way packets to a peer take.</summary>
public sealed record PeerPath
{
    /// <summary>No way known.</summary>
    public static PeerPath None { get; } = new() { Kind = PathKind.None };

    /// <summary>Kind of way.</summary>
    public required PathKind Kind { get; init; }

    /// <summary>The relay it goes through, null for a direct path.</summary>
    public string? Via { get; init; }

    /// <summary>Why this way and no better one, one line for people.</summary>
    public string? Reason { get; init; }

    /// <summary>Round trip on it in milliseconds, if measured.</summary>
    public double? RttMs { get; init; }
}
