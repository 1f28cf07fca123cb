using System.Collections.Immutable;
using System.Globalization;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.Perimeters;

/// <summary>The perimeter this device has joined, as it lies in the state file: the last verified values, so that a restart knows them.</summary>
internal sealed record PerimeterState(string Chain, string Contract)
{
    /// <summary>Nothing.</summary>
    internal static readonly IReadOnlyDictionary<string, string> NoValues = new Dictionary<string, string>();

    /// <summary>The contract that decides: the last one of the proxy_to chain.</summary>
    public string Effective { get; init => field = value ?? ""; } = "";

    /// <summary>Whether it knows this device.</summary>
    public bool IsRegistered { get; init; }

    /// <summary>Properties by key.</summary>
    public IReadOnlyDictionary<string, string> Values { get; init => field = value ?? NoValues; } = NoValues;

    /// <summary>When they were last verified.</summary>
    public DateTimeOffset Verified { get; init; }

    /// <summary>How they were known then.</summary>
    public string Assurance { get; init => field = value ?? ""; } = "";

    /// <summary>The fleet (<c>chain:0x…</c>) that was joined because the perimeter names it; null if the user was in it before, or there is none.</summary>
    public string? Fleet { get; init; }

    /// <summary>Public half, base64, of the WireGuard key that the contract keeps for this device; null if it was not asked for.</summary>
    public string? WireGuardKey { get; init; }

    /// <summary>The WireGuard interface has a key made on this device, because the contract's can't be had.</summary>
    public bool OwnWireGuardKey { get; init; }

    /// <summary>Public keys, base64, that the contract keeps for other devices, by address.</summary>
    public IReadOnlyDictionary<string, string> PeerKeys { get; init => field = value ?? NoValues; } = NoValues;

    /// <summary>What a reading says, with everything else kept. Keys of another contract are not kept.</summary>
    public PerimeterState With(PerimeterReading reading, DateTimeOffset now) => this with
    {
        WireGuardKey = reading.Effective.ToString() == Effective ? WireGuardKey : null,
        OwnWireGuardKey = reading.Effective.ToString() == Effective && OwnWireGuardKey,
        PeerKeys = reading.Effective.ToString() == Effective ? PeerKeys : NoValues,
        Effective = reading.Effective.ToString(),
        IsRegistered = reading.IsRegistered,
        Values = reading.Values,
        Verified = now,
        Assurance = reading.Assurance,
    };

    /// <summary>The reading it was made of; null if there was none yet.</summary>
    public PerimeterReading? ToReading() => Address.TryParse(Effective, out Address effective)
        ? new PerimeterReading(effective, IsRegistered, Values.ToImmutableSortedDictionary(StringComparer.Ordinal), Assurance)
        : null;

    /// <summary>Whether another state says the same about this device, whenever that was.</summary>
    public bool SaysTheSame(PerimeterState other) =>
        Effective == other.Effective && IsRegistered == other.IsRegistered && Fleet == other.Fleet && WireGuardKey == other.WireGuardKey
        && Values.Count == other.Values.Count && Values.All(v => other.Values.TryGetValue(v.Key, out string? text) && text == v.Value);

    /// <summary>The contract as users write it.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Chain}:{Contract}");
}
