using System.Collections.Immutable;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;

namespace Diode.Tunnel.Engine.Membership;

/// <summary>
/// Makes the next version of a manifest: start from nothing or from the current version, change members, sign. Signing without
/// a change renews the validity. Not thread-safe.
/// </summary>
public sealed class ManifestEditor
{
    private readonly List<FleetMember> _members;
    private readonly FleetManifest? _current;

    private ManifestEditor(string name, FleetManifest? current)
    {
        Name = name;
        _current = current;
        _members = current is null ? [] : [.. current.Members];
    }

    /// <summary>The fleet's name.</summary>
    public string Name { get; }

    /// <summary>The members as they would be signed now.</summary>
    public IReadOnlyList<FleetMember> Members => _members;

    /// <summary>Starts a new fleet.</summary>
    /// <exception cref="ArgumentException">The name breaks <see cref="FleetLabel.Rule"/>.</exception>
    public static ManifestEditor Create(string name)
    {
        return FleetLabel.IsValid(name)
            ? new ManifestEditor(name, null)
            : throw new ArgumentException("a fleet name is " + FleetLabel.Rule, nameof(name));
    }

    /// <summary>Starts from the version in force.</summary>
    public static ManifestEditor Edit(FleetManifest current)
    {
        ArgumentNullException.ThrowIfNull(current);
        return new ManifestEditor(current.Name, current);
    }

    /// <summary>Adds a member. Returns null, or why not in words for the user.</summary>
    public string? Add(FleetMember member)
    {
        ArgumentNullException.ThrowIfNull(member);
        string? problem = CheckLabel(member.Label, except: null) ?? CheckRoles(member.Roles);
        if (problem is not null)
        {
            return problem;
        }

        if (member.Device.IsZero)
        {
            return "the zero address is nobody's";
        }

        if (_members.Find(m => m.Device == member.Device) is { } existing)
        {
            return $"{member.Device} is already a member as '{existing.Label}'";
        }

        if (_members.Count >= FleetManifest.MaxMembers)
        {
            return $"a manifest holds at most {FleetManifest.MaxMembers} members";
        }

        _members.Add(member);
        return null;
    }

    /// <summary>Removes a member. Returns null, or why not.</summary>
    public string? Remove(Address device)
    {
        return _members.RemoveAll(m => m.Device == device) > 0 ? null : NotAMember(device);
    }

    /// <summary>Gives a member another label. Returns null, or why not.</summary>
    public string? Relabel(Address device, string label)
    {
        int index = _members.FindIndex(m => m.Device == device);
        if (index < 0)
        {
            return NotAMember(device);
        }

        string? problem = CheckLabel(label, except: device);
        if (problem is null)
        {
            _members[index] = _members[index] with { Label = label };
        }

        return problem;
    }

    /// <summary>Replaces the roles of a member. Returns null, or why not.</summary>
    public string? SetRoles(Address device, ImmutableArray<string> roles)
    {
        int index = _members.FindIndex(m => m.Device == device);
        if (index < 0)
        {
            return NotAMember(device);
        }

        string? problem = CheckRoles(roles);
        if (problem is null)
        {
            _members[index] = _members[index] with { Roles = roles };
        }

        return problem;
    }

    /// <summary>Signs the next version.</summary>
    /// <param name="operatorKey">The operator's key; must be the one of the version edited.</param>
    /// <param name="now">Time of issue, cut to whole seconds.</param>
    /// <param name="validity">How long it is valid, at least one second.</param>
    /// <exception cref="ArgumentException">The key is another operator's: nobody would accept the result.</exception>
    public FleetManifest Sign(PrivateKey operatorKey, DateTimeOffset now, TimeSpan validity)
    {
        ArgumentNullException.ThrowIfNull(operatorKey);
        ArgumentOutOfRangeException.ThrowIfLessThan(validity, TimeSpan.FromSeconds(1));
        if (_current is not null && _current.Operator != operatorKey.Address)
        {
            throw new ArgumentException(
                $"fleet '{Name}' belongs to {_current.Operator}; this key is {operatorKey.Address}", nameof(operatorKey));
        }

        DateTimeOffset issued = WholeSeconds(now);
        DateTimeOffset expires = validity > DateTimeOffset.MaxValue - issued
            ? WholeSeconds(DateTimeOffset.MaxValue)
            : WholeSeconds(issued + validity);
        var manifest = new FleetManifest(
            Name, operatorKey.Address, (_current?.Version ?? 0) + 1, issued, expires, [.. _members], default);
        return manifest.WithSignature(operatorKey.SignHash(manifest.Digest));
    }

    private static DateTimeOffset WholeSeconds(DateTimeOffset time)
    {
        return DateTimeOffset.FromUnixTimeSeconds(time.ToUnixTimeSeconds());
    }

    private static string? CheckRoles(ImmutableArray<string> roles)
    {
        return roles.IsDefault || roles.Length > FleetRoles.MaxPerMember || !roles.All(FleetRoles.IsValid)
            || roles.Distinct().Count() != roles.Length
            ? $"roles are up to {FleetRoles.MaxPerMember} different names of 1 to {FleetRoles.MaxLength} of a-z, 0-9 and '-'"
            : null;
    }

    private string? CheckLabel(string label, Address? except)
    {
        if (!FleetLabel.IsValid(label))
        {
            return $"'{label}' is not a label: {FleetLabel.Rule}";
        }

        return _members.Find(m => m.Label == label && m.Device != except) is { } other
            ? $"the label '{label}' is taken by {other.Device}"
            : null;
    }

    private string NotAMember(Address device)
    {
        return $"{device} is not a member of fleet '{Name}'";
    }
}
