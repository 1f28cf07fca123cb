using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.Membership;

/// <summary>The rule for device labels and fleet names: one DNS label, lower case, that can't be mistaken for an address.</summary>
public static class FleetLabel
{
    /// <summary>Longest label (RFC 1035 §2.3.4).</summary>
    public const int MaxLength = 63;

    /// <summary>The rule in words, for messages.</summary>
    public const string Rule = "1 to 63 of a-z, 0-9 and '-', not starting or ending with '-', not an address";

    private static readonly SearchValues<char> Allowed = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789-");

    /// <summary>Whether the text obeys <see cref="Rule"/>.</summary>
    public static bool IsValid([NotNullWhen(true)] string? label)
    {
        return label is { Length: >= 1 and <= MaxLength }
            && label[0] != '-' && label[^1] != '-'
            && !label.AsSpan().ContainsAnyExcept(Allowed)
            && !Address.TryParse(label, out _);
    }
}
