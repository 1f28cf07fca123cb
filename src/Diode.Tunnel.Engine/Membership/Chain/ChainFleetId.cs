using System.Diagnostics.CodeAnalysis;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Contracts;

namespace Diode.Tunnel.Engine.Membership.Chain;

/// <summary>A fleet contract: <c>0x…</c>, or <c>glmr:0x…</c> where several chains are configured; or a name: <c>NAME.diode</c> alike.</summary>
/// <param name="Chain">Prefix of the chain, null for the only one configured.</param>
/// <param name="Contract">Address of the contract; zero for a name.</param>
/// <param name="Name">The name, null for a contract.</param>
public readonly record struct ChainFleetId(string? Chain, Address Contract, string? Name = null)
{
    /// <summary>By what a name is told from other texts.</summary>
    public const string NameEnding = ".diode";

    /// <summary>Reads it; false for anything else, such as a manifest.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out ChainFleetId id)
    {
        id = default;
        const int longest = 64;
        string trimmed = text?.Trim() ?? "";
        if (trimmed.Length is 0 or > longest)
        {
            return false;
        }

        int colon = trimmed.IndexOf(':', StringComparison.Ordinal);
        string? chain = colon > 0 ? trimmed[..colon] : null;
        string rest = trimmed[(colon + 1)..];
        if (rest.EndsWith(NameEnding, StringComparison.OrdinalIgnoreCase)
            && BnsName.TryNormalize(rest[..^NameEnding.Length], out string? name, out _))
        {
            id = new ChainFleetId(chain, default, name);
            return true;
        }

        if (!Address.TryParse(rest.ToLowerInvariant(), out Address contract) || contract.IsZero)
        {
            return false;
        }

        id = new ChainFleetId(chain, contract);
        return true;
    }
}
