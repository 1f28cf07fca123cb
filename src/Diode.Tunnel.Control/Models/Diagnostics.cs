namespace Diode.Tunnel.Control.Models;

/// <summary>How names are resolved on this machine.</summary>
public sealed record DnsStatus
{
    /// <summary>Names are left to the system.</summary>
    public static DnsStatus Off { get; } = new() { Mode = "off" };

    /// <summary><c>off</c>, <c>split</c> (only <c>.diode</c>) or <c>exit</c> (everything through the exit).</summary>
    public required string Mode { get; init; }

    /// <summary>What was changed to get there: <c>systemd-resolved</c>, <c>resolv.conf</c>.</summary>
    public string? Through { get; init; }

    /// <summary>The servers other names are forwarded to.</summary>
    public IReadOnlyList<string> Upstreams { get; init => field = value ?? []; } = [];
}

/// <summary>Something that needs a person's attention.</summary>
public sealed record HealthWarning
{
    /// <summary>Stable code, upper case with underscores.</summary>
    public required string Code { get; init; }

    /// <summary>How bad it is.</summary>
    public required HealthSeverity Severity { get; init; }

    /// <summary>What is the matter, one line.</summary>
    public required string Text { get; init; }

    /// <summary>The command or step that cures it, if there is one.</summary>
    public string? Fix { get; init; }
}

/// <summary>Every failure of the control API has this body.</summary>
public sealed record ControlError
{
    /// <summary>See <see cref="ControlSchema.Version"/>.</summary>
    public int SchemaVersion { get; init; } = ControlSchema.Version;

    /// <summary>One of <see cref="ControlErrorCodes"/>.</summary>
    public required string Code { get; init; }

    /// <summary>The cause, one line for people.</summary>
    public required string Message { get; init; }

    /// <summary>The command or step that cures it, if there is one.</summary>
    public string? Hint { get; init; }
}
