using System.Text.Json.Serialization;

namespace Diode.Tunnel.Control.Models;

/// <summary>The outcome of an operation that has nothing to show but its success.</summary>
public sealed record OperationResult
{
    /// <summary>See <see cref="ControlSchema.Version"/>.</summary>
    public int SchemaVersion { get; init; } = ControlSchema.Version;

    /// <summary>What was done, one line for people.</summary>
    public required string Message { get; init; }

    /// <summary>Single steps, where there were several (for example each system change undone).</summary>
    public IReadOnlyList<string> Details { get; init => field = value ?? []; } = [];
}

/// <summary><c>POST /v1/ping</c>.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record PingRequest
{
    /// <summary>Most echoes in one request.</summary>
    public const int MaxCount = 1000;

    /// <summary>Device address, label, name or virtual IP.</summary>
    public required string Target { get; init; }

    /// <summary>Number of echoes, 1–<see cref="MaxCount"/>.</summary>
    public required int Count { get; init; }
}

/// <summary>One echo, one line of the answer to <c>POST /v1/ping</c> (application/x-ndjson).</summary>
public sealed record PingResult
{
    /// <summary>See <see cref="ControlSchema.Version"/>.</summary>
    public int SchemaVersion { get; init; } = ControlSchema.Version;

    /// <summary>Number of the echo, from 1.</summary>
    public required int Sequence { get; init; }

    /// <summary>Address of the device asked, lower-case <c>0x…</c>.</summary>
    public required string Device { get; init; }

    /// <summary>Its name or label.</summary>
    public string? Name { get; init; }

    /// <summary>True if the answer came in time.</summary>
    public required bool Received { get; init; }

    /// <summary>Round trip in milliseconds; null if nothing came.</summary>
    public double? RttMs { get; init; }

    /// <summary>The way the echo took.</summary>
    public PeerPath Path { get; init => field = value ?? PeerPath.None; } = PeerPath.None;

    /// <summary>Why nothing came, one line.</summary>
    public string? Reason { get; init; }
}

/// <summary>One line of <c>GET /v1/events</c> (application/x-ndjson).</summary>
public sealed record ControlEvent
{
    /// <summary>See <see cref="ControlSchema.Version"/>.</summary>
    public int SchemaVersion { get; init; } = ControlSchema.Version;

    /// <summary>What happened; at present always <c>status</c>. A reader skips kinds it does not know.</summary>
    public string Kind { get; init => field = value ?? "status"; } = "status";

    /// <summary>The whole status after the event.</summary>
    public DaemonStatus? Status { get; init; }
}
