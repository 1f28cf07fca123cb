using System.Text.Json.Serialization;

namespace Diode.Tunnel.Control.Models;

/// <summary>A local port that leads to a port of another device.</summary>
public sealed record PortBind
{
    /// <summary>The port on 127.0.0.1; 0 while the system has not chosen one.</summary>
    public int Local { get; init; }

    /// <summary>The device: address or name.</summary>
    public required string To { get; init; }

    /// <summary>Its port.</summary>
    public int Port { get; init; }

    /// <summary>How it is opened: <c>tls</c>, or in clear text <c>tcp</c> or <c>udp</c>.</summary>
    public PublishProtocol Protocol { get; init; }

    /// <summary>Why it does not listen or why the last connection failed; null if all is well.</summary>
    public string? Problem { get; init; }

    /// <summary>It is there because of the perimeter this device has joined, not by hand.</summary>
    public bool ByPerimeter { get; init; }
}

/// <summary>The binds: <c>GET /v1/binds</c> and the outcome of a change.</summary>
public sealed record BindList
{
    /// <summary>See <see cref="ControlSchema.Version"/>.</summary>
    public int SchemaVersion { get; init; } = ControlSchema.Version;

    /// <summary>The binds in the order they were added.</summary>
    public IReadOnlyList<PortBind> Binds { get; init => field = value ?? []; } = [];
}

/// <summary><c>POST /v1/binds/add</c>; a bind of the same local port is replaced.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record AddBindRequest
{
    /// <summary><c>LOCAL:TO:PORT[:tls|tcp|udp]</c>; LOCAL is a port or <c>auto</c>.</summary>
    public required string Bind { get; init; }
}

/// <summary><c>POST /v1/binds/remove</c>.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record RemoveBindRequest
{
    /// <summary>The local port.</summary>
    public int Local { get; init; }
}

/// <summary>Plain Diode devices whose ports may be used in clear text: <c>GET /v1/cleartext</c> and the outcome of a change.</summary>
public sealed record ClearTextList
{
    /// <summary>See <see cref="ControlSchema.Version"/>.</summary>
    public int SchemaVersion { get; init; } = ControlSchema.Version;

    /// <summary>Device addresses.</summary>
    public IReadOnlyList<string> Devices { get; init => field = value ?? []; } = [];
}

/// <summary><c>POST /v1/cleartext/allow</c> and <c>/v1/cleartext/deny</c>.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record ClearTextRequest
{
    /// <summary>Address or name of the device.</summary>
    public required string Device { get; init; }
}
