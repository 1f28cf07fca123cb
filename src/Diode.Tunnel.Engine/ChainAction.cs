using System.Numerics;

namespace Diode.Tunnel.Engine;

/// <summary>What is written to a chain.</summary>
public enum ChainActionKind
{
    /// <summary>Creates a fleet contract that the signer operates.</summary>
    FleetCreate,

    /// <summary>Lets devices into a fleet.</summary>
    FleetAdd,

    /// <summary>Takes devices out.</summary>
    FleetRemove,

    /// <summary>Gives a fleet to another operator.</summary>
    FleetTransfer,

    /// <summary>Takes a name, or changes what it stands for.</summary>
    BnsRegister,

    /// <summary>Gives a name to another owner.</summary>
    BnsTransfer,

    /// <summary>Names an address that a name stands for.</summary>
    BnsReverse,

    /// <summary>Gives a name back.</summary>
    BnsUnregister,

    /// <summary>Lists the signer as an exit.</summary>
    ExitRegister,

    /// <summary>Takes the signer's entry away.</summary>
    ExitUnregister,
}

/// <summary>Something to be written to a chain.</summary>
public sealed record ChainAction
{
    /// <summary>What.</summary>
    public required ChainActionKind Kind { get; init; }

    /// <summary>Prefix or id of the chain; null for the only one, or that of the tickets.</summary>
    public string? Chain { get; init; }

    /// <summary>The contract: a fleet (also by its name here), a name service or an exit directory; null for the usual one.</summary>
    public string? Contract { get; init; }

    /// <summary>The BNS name.</summary>
    public string? Name { get; init; }

    /// <summary>Devices, destinations, or the one who gets it.</summary>
    public IReadOnlyList<string> Addresses { get; init; } = [];

    /// <summary>Region of an exit.</summary>
    public string? Region { get; init; }

    /// <summary>Whether the exit carries IPv4.</summary>
    public bool Ipv4 { get; init; } = true;

    /// <summary>Whether the exit carries IPv6.</summary>
    public bool Ipv6 { get; init; }

    /// <summary>Where the exit's policy can be read.</summary>
    public string? PolicyUrl { get; init; }

    /// <summary>How long the exit is listed.</summary>
    public TimeSpan Lifetime { get; init; } = TimeSpan.FromDays(7);

    /// <summary>Private key of the signer, 32 bytes of hex; null: this device's own.</summary>
    public string? Key { get; init; }

    /// <summary>Whether a relay is asked to send it at its own expense.</summary>
    public bool IsMeta { get; init; }

    /// <summary>Whether to sign and send; otherwise it is only prepared.</summary>
    public bool Send { get; init; }

    /// <summary>Most it may cost in wei; null: whatever it costs.</summary>
    public BigInteger? MostCost { get; init; }
}

/// <summary>What an action costs, and what became of it.</summary>
public sealed record ChainActionView
{
    /// <summary>Prefix of the chain.</summary>
    public required string Chain { get; init; }

    /// <summary>Its id.</summary>
    public required ulong ChainId { get; init; }

    /// <summary>What it does, for people.</summary>
    public required string Text { get; init; }

    /// <summary>Who signs.</summary>
    public required string From { get; init; }

    /// <summary>The contract that is called, or the one that comes to be.</summary>
    public required string Contract { get; init; }

    /// <summary>Most gas it may use.</summary>
    public required ulong GasLimit { get; init; }

    /// <summary>Most that is paid per gas, wei.</summary>
    public required BigInteger GasPrice { get; init; }

    /// <summary>Most it can cost, wei.</summary>
    public required BigInteger MostCost { get; init; }

    /// <summary>What the signer has, wei.</summary>
    public required BigInteger Balance { get; init; }

    /// <summary>Number of the transaction among those of the signer.</summary>
    public required ulong Nonce { get; init; }

    /// <summary>Until when it can be sent at a relay's expense; null where the signer pays.</summary>
    public DateTimeOffset? Deadline { get; init; }

    /// <summary>Who is told.</summary>
    public required IReadOnlyList<string> Via { get; init; }

    /// <summary>Name of the transaction; null while it was not sent.</summary>
    public string? Transaction { get; init; }

    /// <summary>Whether it is in a block.</summary>
    public bool IsConfirmed { get; init; }
}

/// <summary>What a name service holds about a name.</summary>
/// <param name="Name">The name.</param>
/// <param name="Chain">Prefix of the chain.</param>
/// <param name="Owner">Who may change it; null for a free name.</param>
/// <param name="Destinations">What it stands for.</param>
/// <param name="Properties">Free text.</param>
/// <param name="Assurance">How that is known.</param>
public sealed record BnsView(
    string Name, string Chain, string? Owner, IReadOnlyList<string> Destinations, IReadOnlyList<string> Properties, string Assurance);
