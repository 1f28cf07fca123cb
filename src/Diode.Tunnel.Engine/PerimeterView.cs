namespace Diode.Tunnel.Engine;

/// <summary>The perimeter this device has joined.</summary>
public sealed record PerimeterView
{
    /// <summary>Prefix of its chain.</summary>
    public required string Chain { get; init; }

    /// <summary>The contract.</summary>
    public required string Contract { get; init; }

    /// <summary>The contract that decides: the last one of the proxy_to chain.</summary>
    public required string Effective { get; init; }

    /// <summary>Whether it knows this device.</summary>
    public bool IsRegistered { get; init; }

    /// <summary>Whether its values are in force; false when they are too old, or this device is not registered.</summary>
    public bool IsInForce { get; init; }

    /// <summary>When the values were last verified.</summary>
    public DateTimeOffset Verified { get; init; }

    /// <summary>How they are known.</summary>
    public string Assurance { get; init; } = "";

    /// <summary>Why the last reading brought nothing; null if it did.</summary>
    public string? Problem { get; init; }

    /// <summary>The fleet that was joined because of it.</summary>
    public string? Fleet { get; init; }

    /// <summary>Public WireGuard key that the contract keeps for this device, base64.</summary>
    public string? WireGuardKey { get; init; }

    /// <summary>The WireGuard interface; null while there is none.</summary>
    public PerimeterWireGuardView? WireGuard { get; init; }

    /// <summary>The properties that have a value, secrets left out.</summary>
    public IReadOnlyList<(string Key, string Value)> Values { get; init; } = [];

    /// <summary>What is not in force and why.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];
}
