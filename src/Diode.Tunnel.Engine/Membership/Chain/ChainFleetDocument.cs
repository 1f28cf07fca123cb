using System.Text.Json.Serialization;

namespace Diode.Tunnel.Engine.Membership.Chain;

/// <summary>A fleet on a chain as it lies in the state folder.</summary>
internal sealed record ChainFleetDocument
{
    /// <summary>Version of this form.</summary>
    public int Schema { get; init; } = 1;

    /// <summary>Prefix of the chain.</summary>
    public required string Chain { get; init; }

    /// <summary>The contract; of a name its name service.</summary>
    public required string Contract { get; init; }

    /// <summary>The name whose destinations are the members; null where the contract is a fleet.</summary>
    public string? BnsName { get; init; }

    /// <summary>Name of the fleet in host names.</summary>
    public required string Name { get; init; }

    /// <summary>Block of the last reading; 0 before the first.</summary>
    public ulong Block { get; init; }

    /// <summary>Time of that block.</summary>
    public DateTimeOffset BlockTime { get; init; }

    /// <summary>When it was last verified.</summary>
    public DateTimeOffset Verified { get; init; }

    /// <summary>How it was known.</summary>
    public FleetAssurance Assurance { get; init; }

    /// <summary>The same for people.</summary>
    public string Text { get; init; } = "";

    /// <summary>Storage root, if it was proven.</summary>
    public string? StorageRoot { get; init; }

    /// <summary>The devices.</summary>
    public IReadOnlyList<string> Devices { get; init; } = [];

    /// <summary>What the chain calls them.</summary>
    public IReadOnlyDictionary<string, string>? Names { get; init; }
}

/// <summary>Source-generated reading and writing.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true)]
[JsonSerializable(typeof(ChainFleetDocument))]
internal sealed partial class ChainFleetContext : JsonSerializerContext;
