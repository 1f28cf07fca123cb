using System.Collections.Immutable;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.Membership;

/// <summary>One device of a fleet.</summary>
/// <param name="Device">Its identity.</param>
/// <param name="Label">Its name in the fleet, see <see cref="FleetLabel"/>.</param>
/// <param name="Roles">Role names; <see cref="FleetRoles.Member"/> is implied.</param>
public sealed record FleetMember(Address Device, string Label, ImmutableArray<string> Roles)
{
    /// <summary>A plain member.</summary>
    public FleetMember(Address device, string label)
        : this(device, label, [FleetRoles.Member])
    {
    }

    /// <summary>Whether the member has the role.</summary>
    public bool HasRole(string role)
    {
        return role == FleetRoles.Member || Roles.Contains(role);
    }

    /// <inheritdoc/>
    public bool Equals(FleetMember? other)
    {
        return other is not null && Device == other.Device && Label == other.Label && Roles.SequenceEqual(other.Roles);
    }

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        return HashCode.Combine(Device, Label, Roles.Length);
    }
}
