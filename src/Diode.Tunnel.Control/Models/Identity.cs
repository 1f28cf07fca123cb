namespace Diode.Tunnel.Control.Models;

/// <summary>Who this device is, and what the caller may do: <c>GET /v1/whoami</c>.</summary>
public sealed record Identity
{
    /// <summary>See <see cref="ControlSchema.Version"/>.</summary>
    public int SchemaVersion { get; init; } = ControlSchema.Version;

    /// <summary>This device's address, lower-case <c>0x…</c>.</summary>
    public required string Device { get; init; }

    /// <summary>Its WireGuard public key, base64.</summary>
    public string? TunnelKey { get; init; }

    /// <summary>Its own virtual IPv4 address.</summary>
    public string? VirtualIpv4 { get; init; }

    /// <summary>Its own virtual IPv6 address.</summary>
    public string? VirtualIpv6 { get; init; }

    /// <summary>Its names, <c>label.fleet.diode</c>.</summary>
    public IReadOnlyList<string> Names { get; init => field = value ?? []; } = [];

    /// <summary>What this caller may do; filled in by the API, the backend leaves it.</summary>
    public AccessLevel Access { get; init; }
}
