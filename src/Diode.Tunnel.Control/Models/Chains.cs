using System.Text.Json.Serialization;

namespace Diode.Tunnel.Control.Models;

/// <summary>What is written to a chain.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<ChainActionKind>))]
public enum ChainActionKind
{
    /// <summary>Creates a fleet contract that the signer operates.</summary>
    [JsonStringEnumMemberName("fleet-create")]
    FleetCreate,

    /// <summary>Lets a device into a fleet.</summary>
    [JsonStringEnumMemberName("fleet-add")]
    FleetAdd,

    /// <summary>Takes a device out.</summary>
    [JsonStringEnumMemberName("fleet-remove")]
    FleetRemove,

    /// <summary>Gives a fleet to another operator.</summary>
    [JsonStringEnumMemberName("fleet-transfer")]
    FleetTransfer,

    /// <summary>Takes a name, or changes what it stands for.</summary>
    [JsonStringEnumMemberName("bns-register")]
    BnsRegister,

    /// <summary>Gives a name to another owner.</summary>
    [JsonStringEnumMemberName("bns-transfer")]
    BnsTransfer,

    /// <summary>Names an address that a name stands for.</summary>
    [JsonStringEnumMemberName("bns-reverse")]
    BnsReverse,

    /// <summary>Gives a name back.</summary>
    [JsonStringEnumMemberName("bns-unregister")]
    BnsUnregister,

    /// <summary>Lists the signer as an exit.</summary>
    [JsonStringEnumMemberName("exit-register")]
    ExitRegister,

    /// <summary>Takes the signer's entry away.</summary>
    [JsonStringEnumMemberName("exit-unregister")]
    ExitUnregister,
}

/// <summary><c>POST /v1/chain/action</c>: prepares a transaction and says what it costs; with <see cref="Send"/> it is signed and sent.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record ChainActionRequest
{
    /// <summary>What is to be written.</summary>
    public required ChainActionKind Action { get; init; }

    /// <summary>Prefix or id of the chain; null = the only one configured, or that of the tickets.</summary>
    public string? Chain { get; init; }

    /// <summary>The contract: a fleet (address, <c>chain:0x…</c>, or its name on this machine), name service or exit directory; null = the usual one.</summary>
    public string? Contract { get; init; }

    /// <summary>The BNS name.</summary>
    public string? Name { get; init; }

    /// <summary>Device, destinations, or the one who gets it.</summary>
    public IReadOnlyList<string> Addresses { get; init => field = value ?? []; } = [];

    /// <summary>Region of an exit, two letters.</summary>
    public string? Region { get; init; }

    /// <summary>Whether the exit carries IPv4.</summary>
    public bool Ipv4 { get; init; } = true;

    /// <summary>Whether the exit carries IPv6.</summary>
    public bool Ipv6 { get; init; }

    /// <summary>Where the exit's policy can be read.</summary>
    public string? PolicyUrl { get; init; }

    /// <summary>How long the exit is listed, hours.</summary>
    public int Hours { get; init; } = 168;

    /// <summary>Private key of the signer, 64 hex digits, used once and not kept; null = this device's own.</summary>
    public string? Key { get; init; }

    /// <summary>True to ask a relay to send it at its own expense, on chains that have CallPermit.</summary>
    public bool Meta { get; init; }

    /// <summary>True to sign and send; false to be told what it would cost.</summary>
    public bool Send { get; init; }

    /// <summary>Most it may cost in wei, decimal: what was agreed to; null = whatever it costs.</summary>
    public string? MostCost { get; init; }
}

/// <summary>A transaction: what it does and costs, and what became of it.</summary>
public sealed record ChainActionResult
{
    /// <summary>See <see cref="ControlSchema.Version"/>.</summary>
    public int SchemaVersion { get; init; } = ControlSchema.Version;

    /// <summary>Prefix of the chain.</summary>
    public required string Chain { get; init; }

    /// <summary>Its id.</summary>
    public required long ChainId { get; init; }

    /// <summary>What it does, one line.</summary>
    public required string Text { get; init; }

    /// <summary>Who signs.</summary>
    public required string From { get; init; }

    /// <summary>The contract that is called, or the one that comes to be.</summary>
    public required string Contract { get; init; }

    /// <summary>Most gas it may use: an estimate and a fifth.</summary>
    public required long GasLimit { get; init; }

    /// <summary>Most that is paid per gas in wei, decimal.</summary>
    public required string GasPrice { get; init; }

    /// <summary>Most it can cost in wei, decimal.</summary>
    public required string MostCost { get; init; }

    /// <summary>What the signer has in wei, decimal.</summary>
    public required string Balance { get; init; }

    /// <summary>Number of the transaction among those of the signer.</summary>
    public required long Nonce { get; init; }

    /// <summary>Until when a relay can send it at its own expense; null where the signer pays.</summary>
    public DateTimeOffset? Deadline { get; init; }

    /// <summary>Endpoints and relays that are told.</summary>
    public IReadOnlyList<string> Via { get; init => field = value ?? []; } = [];

    /// <summary>Name of the transaction; null if it was not sent.</summary>
    public string? Transaction { get; init; }

    /// <summary>True if it is in a block and succeeded.</summary>
    public bool Confirmed { get; init; }
}

/// <summary><c>POST /v1/chain/name</c>.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record NameRequest
{
    /// <summary>The name.</summary>
    public required string Name { get; init; }

    /// <summary>Prefix or id of the chain; null = the only one configured, or that of the tickets.</summary>
    public string? Chain { get; init; }

    /// <summary>The name service; null = the chain's usual one.</summary>
    public string? Contract { get; init; }
}

/// <summary>What a name service holds about a name.</summary>
public sealed record NameEntry
{
    /// <summary>See <see cref="ControlSchema.Version"/>.</summary>
    public int SchemaVersion { get; init; } = ControlSchema.Version;

    /// <summary>The name.</summary>
    public required string Name { get; init; }

    /// <summary>Prefix of the chain.</summary>
    public required string Chain { get; init; }

    /// <summary>Who may change it; null for a free name.</summary>
    public string? Owner { get; init; }

    /// <summary>What it stands for.</summary>
    public IReadOnlyList<string> Destinations { get; init => field = value ?? []; } = [];

    /// <summary>Its properties, by custom <c>key=value</c>.</summary>
    public IReadOnlyList<string> Properties { get; init => field = value ?? []; } = [];

    /// <summary>How that is known.</summary>
    public required string Assurance { get; init; }
}
