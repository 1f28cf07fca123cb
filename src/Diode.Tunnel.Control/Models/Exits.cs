using System.Text.Json.Serialization;

namespace Diode.Tunnel.Control.Models;

/// <summary>The regional tunnel, in use and offered.</summary>
public sealed record ExitStatus
{
    /// <summary>No exit wanted, offered or known.</summary>
    public static ExitStatus Off { get; } = new() { State = ExitState.Disconnected };

    /// <summary>State of the regional tunnel.</summary>
    public required ExitState State { get; init; }

    /// <summary>What was asked for: a region, a device or <c>auto</c>; null if nothing is wanted.</summary>
    public string? Wanted { get; init; }

    /// <summary>Address of the device in use, lower-case <c>0x…</c>.</summary>
    public string? InUse { get; init; }

    /// <summary>Region of the exit in use.</summary>
    public string? Region { get; init; }

    /// <summary>Why it is in this state, one line for people.</summary>
    public string? Reason { get; init; }

    /// <summary>True if the local network stays reachable while an exit is in use.</summary>
    public bool AllowLan { get; init; }

    /// <summary>What this device offers to others; null if nothing.</summary>
    public OfferedExit? Offering { get; init; }

    /// <summary>The exits that could be used.</summary>
    public IReadOnlyList<ExitOffer> Offers { get; init => field = value ?? []; } = [];
}

/// <summary>An exit somebody offers.</summary>
public sealed record ExitOffer
{
    /// <summary>Address of the device, lower-case <c>0x…</c>.</summary>
    public required string Device { get; init; }

    /// <summary>Its label or name.</summary>
    public string? Label { get; init; }

    /// <summary>Region as the owner states it, two letters, lower case.</summary>
    public required string Region { get; init; }

    /// <summary>Carries IPv4 to the internet.</summary>
    public bool Ipv4 { get; init; }

    /// <summary>Carries IPv6 to the internet.</summary>
    public bool Ipv6 { get; init; }

    /// <summary>Round trip in milliseconds, null if not measured.</summary>
    public double? RttMs { get; init; }

    /// <summary>How the offer and its owner are vouched for.</summary>
    public string? Assurance { get; init; }

    /// <summary>True if it answers now.</summary>
    public bool Online { get; init; }

    /// <summary>True if this machine's traffic leaves there.</summary>
    public bool InUse { get; init; }
}

/// <summary>The exit this device offers.</summary>
public sealed record OfferedExit
{
    /// <summary>Region stated, two letters, lower case.</summary>
    public required string Region { get; init; }

    /// <summary>IPv4 is carried.</summary>
    public bool Ipv4 { get; init; }

    /// <summary>IPv6 is carried.</summary>
    public bool Ipv6 { get; init; }

    /// <summary>Devices using it now.</summary>
    public int Clients { get; init; }

    /// <summary>Bytes carried for others, both directions.</summary>
    public long Bytes { get; init; }
}

/// <summary>The exits and what is in use: <c>GET /v1/exits</c> and the outcome of a change.</summary>
public sealed record ExitList
{
    /// <summary>See <see cref="ControlSchema.Version"/>.</summary>
    public int SchemaVersion { get; init; } = ControlSchema.Version;

    /// <summary>State and offers.</summary>
    public required ExitStatus Exit { get; init; }

    /// <summary>What the exit directories list; only in the answer to GET.</summary>
    public IReadOnlyList<ListedExit> Community { get; init => field = value ?? []; } = [];

    /// <summary>Directories that could not be read, one line each.</summary>
    public IReadOnlyList<string> CommunityProblems { get; init => field = value ?? []; } = [];
}

/// <summary>An exit in an exit directory: its owner says that it is there, no more.</summary>
public sealed record ListedExit
{
    /// <summary>Address of the device, lower-case <c>0x…</c>.</summary>
    public required string Device { get; init; }

    /// <summary>Region as the owner states it.</summary>
    public required string Region { get; init; }

    /// <summary>Said to carry IPv4.</summary>
    public bool Ipv4 { get; init; }

    /// <summary>Said to carry IPv6.</summary>
    public bool Ipv6 { get; init; }

    /// <summary>Where its policy can be read; null if nowhere.</summary>
    public string? PolicyUrl { get; init; }

    /// <summary>When the entry ends.</summary>
    public DateTimeOffset Expires { get; init; }

    /// <summary>How it is known that it is listed.</summary>
    public string? Assurance { get; init; }

    /// <summary>True if it is in a fleet with this device and offers its exit there: others can't be used.</summary>
    public bool Usable { get; init; }
}

/// <summary><c>POST /v1/exits/use</c>.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record UseExitRequest
{
    /// <summary>A region (<c>de</c>), a device address, a label or name, or <c>auto</c>.</summary>
    public required string Target { get; init; }

    /// <summary>Keep the local network reachable.</summary>
    public bool AllowLan { get; init; }
}

/// <summary><c>POST /v1/exits/offer</c>.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record OfferExitRequest
{
    /// <summary>Region, two letters (ISO 3166).</summary>
    public required string Region { get; init; }

    /// <summary>Carry IPv4; null = if this machine has it.</summary>
    public bool? Ipv4 { get; init; }

    /// <summary>Carry IPv6; null = if this machine has it.</summary>
    public bool? Ipv6 { get; init; }
}
