using System.Text.Json.Serialization;

namespace Diode.Tunnel.Control.Models;

/// <summary><c>POST /v1/perimeter/join</c>.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record JoinPerimeterRequest
{
    /// <summary>The perimeter's contract: <c>0x…</c> or <c>chain:0x…</c>.</summary>
    public required string Contract { get; init; }

    /// <summary>Prefix or id of its chain; null = the only one configured, or sapphire.</summary>
    public string? Chain { get; init; }
}

/// <summary>The perimeter this device has joined: <c>GET /v1/perimeter</c> and the outcome of joining.</summary>
public sealed record PerimeterStatus
{
    /// <summary>See <see cref="ControlSchema.Version"/>.</summary>
    public int SchemaVersion { get; init; } = ControlSchema.Version;

    /// <summary>Whether one is joined; if not, the rest says nothing.</summary>
    public bool Joined { get; init; }

    /// <summary>Prefix of its chain.</summary>
    public string? Chain { get; init; }

    /// <summary>The contract.</summary>
    public string? Contract { get; init; }

    /// <summary>The contract that decides, where the other one points to it.</summary>
    public string? Effective { get; init; }

    /// <summary>Whether it knows this device.</summary>
    public bool Registered { get; init; }

    /// <summary>Whether its values are in force; false when they are too old, or this device is not registered.</summary>
    public bool InForce { get; init; }

    /// <summary>When the values were last verified, UTC.</summary>
    public DateTimeOffset? Verified { get; init; }

    /// <summary>How they are known.</summary>
    public string? Assurance { get; init; }

    /// <summary>Why the last reading brought nothing; null if it did.</summary>
    public string? Problem { get; init; }

    /// <summary>The fleet that was joined because of it, <c>chain:0x…</c>.</summary>
    public string? Fleet { get; init; }

    /// <summary>Public WireGuard key that the contract keeps for this device, base64.</summary>
    public string? WireGuardKey { get; init; }

    /// <summary>The properties that have a value, secrets left out.</summary>
    public IReadOnlyList<PerimeterProperty> Properties { get; init => field = value ?? []; } = [];

    /// <summary>What is not in force and why; the property's key first.</summary>
    public IReadOnlyList<string> Warnings { get; init => field = value ?? []; } = [];
}

/// <summary>What a perimeter says under a key.</summary>
/// <param name="Key">The key.</param>
/// <param name="Value">The value.</param>
public sealed record PerimeterProperty(string Key, string Value);
