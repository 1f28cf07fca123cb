using System.Diagnostics.CodeAnalysis;

namespace Diode.Tunnel.Engine.Membership;

/// <summary>Role names a manifest may carry. Roles unknown to this version are kept and mean nothing.</summary>
public static class FleetRoles
{
    /// <summary>Every member; also what no roles at all mean.</summary>
    public const string Member = "member";

    /// <summary>May be used as an exit by the others.</summary>
    public const string Exit = "exit";

    /// <summary>Belongs to the operator. Signing still needs the operator's key.</summary>
    public const string Operator = "operator";

    /// <summary>Most roles of one member.</summary>
    public const int MaxPerMember = 8;

    /// <summary>Longest role name.</summary>
    public const int MaxLength = 31;

    /// <summary>Whether the text can be a role name.</summary>
    public static bool IsValid([NotNullWhen(true)] string? role)
    {
        return role is { Length: <= MaxLength } && FleetLabel.IsValid(role);
    }
}
