using System.Diagnostics.CodeAnalysis;
using System.Text;
using Diode.Tunnel.Ethereum.Crypto;

namespace Diode.Tunnel.Ethereum.Contracts;

/// <summary>The rules of names in a BNS contract (diode-contracts §11.2), told before a transaction is paid for.</summary>
public static class BnsName
{
    private const int MinLength = 8;
    private const int MaxLength = 32;

    /// <summary>Lower-cases a name and checks it; false with the rule that it breaks, in the words of the contract.</summary>
    public static bool TryNormalize(string text, [NotNullWhen(true)] out string? name, [NotNullWhen(false)] out string? problem)
    {
        ArgumentNullException.ThrowIfNull(text);
        name = text.ToLowerInvariant();
        problem = Encoding.UTF8.GetByteCount(name) switch
        {
            < MinLength => "Names must be longer than 7 characters",
            > MaxLength => "Names must be within 32 characters",
            _ when name.StartsWith('-') || name.EndsWith('-') => "Names can't start or end with '-'",
            _ when name.Any(static c => !char.IsAsciiLetterLower(c) && !char.IsAsciiDigit(c) && c != '-') =>
                "Names can only contain: [0-9a-z-]",
            _ => null,
        };
        if (problem is not null)
        {
            name = null;
        }

        return problem is null;
    }

    /// <summary>The key of a name.</summary>
    public static Hash256 Hash(string name) => Keccak256.Hash(Encoding.UTF8.GetBytes(name));
}
