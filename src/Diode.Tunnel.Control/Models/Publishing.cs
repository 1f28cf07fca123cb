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

    /// <summary>Who may; at least one entry.</summary>
    public required IReadOnlyList<string> To { get; init; }
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
