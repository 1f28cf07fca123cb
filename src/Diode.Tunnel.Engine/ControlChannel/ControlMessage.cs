using System.Text.Json.Serialization;

namespace Diode.Tunnel.Engine.ControlChannel;

/// <summary>
/// One message of the control channel. On the wire: <c>u32be length | UTF-8 JSON</c>, at most <see cref="MaxLength"/> bytes.
/// Unknown types and unknown members are skipped, so that versions can differ.
/// </summary>
internal sealed record ControlMessage
{
    /// <summary>Longest message in bytes; a longer one ends the channel.</summary>
    public const int MaxLength = 4 * 1024 * 1024;

    /// <summary>Protocol version spoken in <c>hello</c>.</summary>
    public const int ProtocolVersion = 1;

    public const string Hello = "hello";
    public const string Manifest = "manifest";
    public const string ManifestRequest = "manifest_request";
    public const string ExitRequest = "exit_request";
    public const string ExitGrant = "exit_grant";
    public const string ExitRefuse = "exit_refuse";
    public const string ExitRelease = "exit_release";
    public const string ExitRevoke = "exit_revoke";
    public const string Ping = "ping";
    public const string Pong = "pong";
    public const string Goodbye = "goodbye";
    public const string Candidates = "candidates";

    /// <summary>What the message is.</summary>
    public required string Type { get; init; }

    /// <summary>hello: <see cref="ProtocolVersion"/> of the sender.</summary>
    public int? Version { get; init; }

    /// <summary>hello: host name, for people only.</summary>
    public string? HostName { get; init; }

    /// <summary>
    /// hello: names what the sender knows of the receiver, its keys and counters. The same as on an earlier channel: nothing of that was
    /// lost. Another, or none: the sender was restarted.
    /// </summary>
    public string? Instance { get; init; }

    /// <summary>hello: X25519 public key of the data plane, 64 hex digits.</summary>
    public string? TunnelKey { get; init; }

    /// <summary>hello: what the sender offers as an exit; null if it is none.</summary>
    public ExitOfferPart? Exit { get; init; }

    /// <summary>hello: fleets the sender holds and their manifest versions.</summary>
    public IReadOnlyList<FleetPart>? Fleets { get; init; }

    /// <summary>manifest, manifest_request: the fleet's address.</summary>
    public string? Fleet { get; init; }

    /// <summary>manifest: the signed document.</summary>
    public string? Document { get; init; }

    /// <summary>exit_grant: resolvers at the exit, as virtual IP addresses.</summary>
    public IReadOnlyList<string>? Resolvers { get; init; }

    /// <summary>exit_grant: the exit carries IPv4.</summary>
    public bool? Ipv4 { get; init; }

    /// <summary>exit_grant: the exit carries IPv6.</summary>
    public bool? Ipv6 { get; init; }

    /// <summary>exit_refuse, exit_revoke, goodbye: why, for people.</summary>
    public string? Reason { get; init; }

    /// <summary>ping, pong: the sender's number, sent back unchanged.</summary>
    public long? Number { get; init; }

    /// <summary>candidates: id that probes to the sender carry, 16 hex digits.</summary>
    public string? ProbeId { get; init; }

    /// <summary>candidates: key that authenticates probes to the sender, 64 hex digits.</summary>
    public string? ProbeKey { get; init; }

    /// <summary>candidates: where the sender may be reached by UDP, as <c>192.0.2.1:41042</c> or <c>[2001:db8::1]:41042</c>.</summary>
    public IReadOnlyList<string>? Endpoints { get; init; }

    /// <summary>False if a list has holes; no reader has to look for nulls where the types have none.</summary>
    [JsonIgnore]
    public bool IsSound => Fleets?.Any(static f => f is null) != true && Resolvers?.Any(static r => r is null) != true
        && Endpoints?.Any(static e => e is null) != true;
}

/// <summary>An exit offer as it travels in <c>hello</c>.</summary>
internal sealed record ExitOfferPart(string Region, bool Ipv4, bool Ipv6);

/// <summary>A fleet held by the sender.</summary>
internal sealed record FleetPart(string Fleet, long Version);

/// <summary>Generated JSON code of the control channel.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(ControlMessage))]
internal sealed partial class ControlMessageContext : JsonSerializerContext;
