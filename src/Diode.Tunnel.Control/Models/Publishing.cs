using System.Text.Json.Serialization;

namespace Diode.Tunnel.Control.Models;

/// <summary>One thing this device lets others reach.</summary>
public sealed record PublishRule
{
    /// <summary>The port; null = every port and protocol.</summary>
    public int? Port { get; init; }

    /// <summary>The protocol.</summary>
    public PublishProtocol Protocol { get; init; }

    /// <summary>Who may: <c>fleet</c>, <c>public</c>, a fleet's name, a device address or a name.</summary>
    public IReadOnlyList<string> To { get; init => field = value ?? []; } = [];

    /// <summary>The mode of a definition; null for a rule made with <c>--to</c>.</summary>
    public PublishMode? Mode { get; init; }

    /// <summary>Host and port of the service behind a definition; null = this device, the same port.</summary>
    public string? Target { get; init; }

    /// <summary>Tunnel devices reach it at this device's virtual address.</summary>
    public bool InTunnel { get; init; }

    /// <summary>How plain Diode devices may open it: <c>tls</c>, and in clear text <c>tcp</c> and <c>udp</c>.</summary>
    public IReadOnlyList<string> Plain { get; init => field = value ?? []; } = [];

    /// <summary>It is there because of the perimeter this device has joined, not by hand.</summary>
    public bool ByPerimeter { get; init; }
}

/// <summary>One definition in the grammar of the Diode clients: <c>[host:]source[:destination[:protocol]]</c> and who may, with commas.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record PublishDefinition
{
    /// <summary>Who may.</summary>
    public required PublishMode Mode { get; init; }

    /// <summary>For example <c>8080:80</c> or <c>22:22:tls,0x…</c>.</summary>
    public required string Definition { get; init; }
}

/// <summary>The rules in force: <c>GET /v1/publish</c> and the outcome of a change.</summary>
public sealed record PublishList
{
    /// <summary>See <see cref="ControlSchema.Version"/>.</summary>
    public int SchemaVersion { get; init; } = ControlSchema.Version;

    /// <summary>The rules, in the order they were added.</summary>
    public IReadOnlyList<PublishRule> Rules { get; init => field = value ?? []; } = [];
}

/// <summary><c>POST /v1/publish/add</c>; a rule for the same port and protocol is replaced.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record AddPublishRequest
{
    /// <summary>The port, 1–65535; must be null with <see cref="All"/>.</summary>
    public int? Port { get; init; }

    /// <summary>Every port and protocol.</summary>
    public bool All { get; init; }

    /// <summary>The protocol.</summary>
    public PublishProtocol Protocol { get; init; }

    /// <summary>Who may; at least one entry unless there are <see cref="Definitions"/>.</summary>
    public IReadOnlyList<string> To { get; init => field = value ?? []; } = [];

    /// <summary>Instead of all others: definitions, taken all or none.</summary>
    public IReadOnlyList<PublishDefinition> Definitions { get; init => field = value ?? []; } = [];
}

/// <summary><c>POST /v1/publish/remove</c>.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record RemovePublishRequest
{
    /// <summary>The port of the rules to remove; must be null with <see cref="All"/>.</summary>
    public int? Port { get; init; }

    /// <summary>Remove the rule made with <c>--all</c>.</summary>
    public bool All { get; init; }

    /// <summary>The protocol; <see cref="PublishProtocol.Any"/> removes every rule for the port.</summary>
    public PublishProtocol Protocol { get; init; }
}
