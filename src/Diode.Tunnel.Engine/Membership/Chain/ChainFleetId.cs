using System.Diagnostics.CodeAnalysis;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.Membership.Chain;

/// <summary>A fleet contract: <c>0x…</c>, or <c>glmr:0x…</c> where several chains are configured.</summary>
/// <param name="Chain">Prefix of the chain, null for the only one configured.</param>
/// <param name="Contract">Address of the contract.</param>
public readonly record struct ChainFleetId(string? Chain, Address Contract)
{
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
        if (!Address.TryParse(trimmed[(colon + 1)..].ToLowerInvariant(), out Address contract) || contract.IsZero)
        {
            return false;
        }

        id = new ChainFleetId(colon > 0 ? trimmed[..colon] : null, contract);
        return true;
    }
}
