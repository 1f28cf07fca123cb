using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.Membership;

/// <summary>The verified members of one fleet at one time. Immutable.</summary>
public sealed class FleetSnapshot
{
    private readonly FrozenDictionary<Address, FleetMember> _byDevice;
    private readonly FrozenDictionary<string, FleetMember> _byLabel;

    /// <summary>Creates a snapshot. Members with a device or label seen before are left out.</summary>
    public FleetSnapshot(
        Address fleet,
        string name,
        ulong version,
        DateTimeOffset? expires,
        IEnumerable<FleetMember> members,
        FleetAssurance assurance,
        string assuranceText)
    {
        Fleet = fleet;
        Name = name;
        Version = version;
        Expires = expires;
        Members = [.. members.DistinctBy(m => m.Device).DistinctBy(m => m.Label)];
        Assurance = assurance;
        AssuranceText = assuranceText;
        _byDevice = Members.ToFrozenDictionary(m => m.Device);
        _byLabel = Members.ToFrozenDictionary(m => m.Label);
    }

    /// <summary>The fleet: contract address, or the operator of a manifest.</summary>
    public Address Fleet { get; }

    /// <summary>The fleet's name in host names.</summary>
    public string Name { get; }

    /// <summary>Whether the fleet's name itself stands for all its members.</summary>
    public bool IsName { get; init; }

    /// <summary>Version of the source's state (manifest version, block number).</summary>
    public ulong Version { get; }

    /// <summary>From when on nobody may be admitted by this snapshot, if it says so.</summary>
    public DateTimeOffset? Expires { get; }

    /// <summary>The members in the source's order.</summary>
    public ImmutableArray<FleetMember> Members { get; }

    /// <summary>How this is known.</summary>
    public FleetAssurance Assurance { get; }

    /// <summary>The same for people, for example <c>signed manifest v3, expires 2026-09-01T00:00:00Z</c>.</summary>
    public string AssuranceText { get; }

    /// <summary>The snapshot of a verified manifest.</summary>
    public static FleetSnapshot FromManifest(FleetManifest manifest)
    {
        ArgumentNullException.ThrowIfNull(manifest);
        return new FleetSnapshot(
            manifest.Operator,
            manifest.Name,
            manifest.Version,
            manifest.Expires,
            manifest.Members,
            FleetAssurance.SignedManifest,
            $"signed manifest v{manifest.Version}, expires {FleetManifest.Format(manifest.Expires)}");
    }

    /// <summary>Whether the snapshot may no longer admit anybody.</summary>
    public bool IsExpired(DateTimeOffset now)
    {
        return now >= Expires;
    }

    /// <summary>The member with this identity.</summary>
    public bool TryGetMember(Address device, [NotNullWhen(true)] out FleetMember? member)
    {
        return _byDevice.TryGetValue(device, out member);
    }

    /// <summary>The member with this label.</summary>
    public bool TryGetLabel(string label, [NotNullWhen(true)] out FleetMember? member)
    {
        return _byLabel.TryGetValue(label, out member);
    }
}
