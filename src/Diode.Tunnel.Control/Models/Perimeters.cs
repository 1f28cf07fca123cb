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

    /// <summary>The WireGuard interface that it has given this device; null while there is none.</summary>
    public PerimeterInterface? WireGuard { get; init; }

    /// <summary>The properties that have a value, secrets left out.</summary>
    public IReadOnlyList<PerimeterProperty> Properties { get; init => field = value ?? []; } = [];

    /// <summary>What is not in force and why; the property's key first.</summary>
    public IReadOnlyList<string> Warnings { get; init => field = value ?? []; } = [];
}

/// <summary>The WireGuard interface that a perimeter has given this device. Its secret key is never told.</summary>
public sealed record PerimeterInterface
{
    /// <summary>Name of the adapter.</summary>
    public required string Interface { get; init; }

    /// <summary>Its public key, base64.</summary>
    public required string PublicKey { get; init; }

    /// <summary>Whose key that is: <c>contract</c> (kept there for this device), <c>own</c> (made here), <c>given</c> (stands in the property).</summary>
    public required string KeyOrigin { get; init; }

    /// <summary>UDP port.</summary>
    public int ListenPort { get; init; }

    /// <summary>Longest packet in bytes.</summary>
    public int Mtu { get; init; }

    /// <summary>Its addresses.</summary>
    public IReadOnlyList<string> Addresses { get; init => field = value ?? []; } = [];

    /// <summary>Networks that lead to it.</summary>
    public IReadOnlyList<string> Routes { get; init => field = value ?? []; } = [];

    /// <summary>Its peers.</summary>
    public IReadOnlyList<PerimeterPeer> Peers { get; init => field = value ?? []; } = [];
}

/// <summary>A peer of a perimeter's WireGuard interface.</summary>
public sealed record PerimeterPeer
{
    /// <summary>Its key, base64.</summary>
    public required string PublicKey { get; init; }

    /// <summary>The Diode device it is; null if none.</summary>
    public string? Device { get; init; }

    /// <summary>Where it is, address and port; null if that is not known.</summary>
    public string? Endpoint { get; init; }

    /// <summary>The relay at whose port it is met; null for ordinary endpoints.</summary>
    public string? Relay { get; init; }

    /// <summary>Networks that lead to it and that it may send from.</summary>
    public IReadOnlyList<string> AllowedIps { get; init => field = value ?? []; } = [];

    /// <summary>When its last handshake was complete, UTC; null if there was none.</summary>
    public DateTimeOffset? LastHandshake { get; init; }

    /// <summary>Bytes received.</summary>
    public long RxBytes { get; init; }

    /// <summary>Bytes sent.</summary>
    public long TxBytes { get; init; }
}

/// <summary>What a perimeter says under a key.</summary>
/// <param name="Key">The key.</param>
/// <param name="Value">The value.</param>
public sealed record PerimeterProperty(string Key, string Value);
