using System.Text.Json.Serialization;

namespace Diode.Tunnel.Control.Models;

/// <summary>A fleet in one line.</summary>
public record FleetSummary
{
    /// <summary>Name of the fleet, the middle label of <c>label.fleet.diode</c>.</summary>
    public required string Name { get; init; }

    /// <summary>Address of the operator who signs its membership (or of the contract), lower-case <c>0x…</c>.</summary>
    public required string Operator { get; init; }

    /// <summary>Prefix of the chain whose contract decides who is in; null for a manifest.</summary>
    public string? Chain { get; init; }

    /// <summary>Version of the manifest, or block that was read; grows with every change.</summary>
    public long Version { get; init; }

    /// <summary>When the manifest was signed, UTC.</summary>
    public DateTimeOffset? Issued { get; init; }

    /// <summary>When it stops being valid, UTC; null = never.</summary>
    public DateTimeOffset? Expires { get; init; }

    /// <summary>How well the membership is vouched for: <c>signed manifest</c>, <c>proven</c>, <c>cached at …</c>.</summary>
    public required string Assurance { get; init; }

    /// <summary>Number of members.</summary>
    public int MemberCount { get; init; }

    /// <summary>True if this device is a member.</summary>
    public bool Member { get; init; }

    /// <summary>True if this machine holds the operator key and can change the fleet.</summary>
    public bool Operated { get; init; }
}

/// <summary>A fleet with its members.</summary>
public sealed record FleetDetails : FleetSummary
{
    /// <summary>Its members.</summary>
    public IReadOnlyList<FleetMember> Members { get; init => field = value ?? []; } = [];
}

/// <summary>One member of a fleet.</summary>
public sealed record FleetMember
{
    /// <summary>Address of the device, lower-case <c>0x…</c>.</summary>
    public required string Device { get; init; }

    /// <summary>Its label, unique in the fleet.</summary>
    public required string Label { get; init; }

    /// <summary>Roles given to it, for example <c>exit</c>.</summary>
    public IReadOnlyList<string> Roles { get; init => field = value ?? []; } = [];

    /// <summary>Its virtual IPv4 address as used on this machine, null if this device is not in the fleet.</summary>
    public string? Ipv4 { get; init; }

    /// <summary>Its virtual IPv6 address.</summary>
    public string? Ipv6 { get; init; }
}

/// <summary>All fleets known to this device: <c>GET /v1/fleets</c>.</summary>
public sealed record FleetList
{
    /// <summary>See <see cref="ControlSchema.Version"/>.</summary>
    public int SchemaVersion { get; init; } = ControlSchema.Version;

    /// <summary>The fleets.</summary>
    public IReadOnlyList<FleetDetails> Fleets { get; init => field = value ?? []; } = [];
}

/// <summary>The outcome of a change to a fleet.</summary>
public sealed record FleetResult
{
    /// <summary>See <see cref="ControlSchema.Version"/>.</summary>
    public int SchemaVersion { get; init; } = ControlSchema.Version;

    /// <summary>The fleet after the change.</summary>
    public required FleetDetails Fleet { get; init; }
}

/// <summary>A signed manifest as a file: <c>GET /v1/fleets/export</c>.</summary>
public sealed record ManifestDocument
{
    /// <summary>See <see cref="ControlSchema.Version"/>.</summary>
    public int SchemaVersion { get; init; } = ControlSchema.Version;

    /// <summary>Name of the fleet.</summary>
    public required string Fleet { get; init; }

    /// <summary>The exact text to be written to a file; byte for byte what was signed.</summary>
    public required string Document { get; init; }
}

/// <summary>What checking a manifest found. A bad manifest is a result, not an error.</summary>
public sealed record FleetVerification
{
    /// <summary>See <see cref="ControlSchema.Version"/>.</summary>
    public int SchemaVersion { get; init; } = ControlSchema.Version;

    /// <summary>True if signature, form and dates hold.</summary>
    public required bool Valid { get; init; }

    /// <summary>Why not, one line; null if valid.</summary>
    public string? Reason { get; init; }

    /// <summary>What the document says it is; null if it could not be read that far.</summary>
    public FleetDetails? Fleet { get; init; }
}

/// <summary><c>POST /v1/fleets/create</c>.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record CreateFleetRequest
{
    /// <summary>Name of the new fleet, a DNS label.</summary>
    public required string Name { get; init; }

    /// <summary>Label of this device in it; null = the host name.</summary>
    public string? Label { get; init; }
}

/// <summary><c>POST /v1/fleets/add</c>.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record AddMemberRequest
{
    /// <summary>Name or operator address of the fleet; null = the only one operated here.</summary>
    public string? Fleet { get; init; }

    /// <summary>Address of the device.</summary>
    public required string Device { get; init; }

    /// <summary>Its label, a DNS label.</summary>
    public required string Label { get; init; }

    /// <summary>Roles to give it.</summary>
    public IReadOnlyList<string> Roles { get; init => field = value ?? []; } = [];
}

/// <summary><c>POST /v1/fleets/remove</c>.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record RemoveMemberRequest
{
    /// <summary>Name or operator address of the fleet; null = the only one operated here.</summary>
    public string? Fleet { get; init; }

    /// <summary>Address or label of the device.</summary>
    public required string Device { get; init; }
}

/// <summary><c>POST /v1/fleets/join</c> and <c>/v1/fleets/verify</c>: the text of a manifest. The caller reads the file, never the daemon.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record ManifestRequest
{
    /// <summary>
    /// The manifest, exactly as it stands in the file; or the address of a fleet contract, <c>0x…</c> or <c>chain:0x…</c>, for joining with a
    /// name for the fleet after a blank.
    /// </summary>
    public required string Document { get; init; }
}

/// <summary><c>POST /v1/fleets/leave</c>.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record LeaveFleetRequest
{
    /// <summary>Name or operator address of the fleet.</summary>
    public required string Fleet { get; init; }
}
