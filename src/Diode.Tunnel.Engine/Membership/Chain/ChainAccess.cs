using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Diode.Tunnel.Engine.Membership.Chain;

/// <summary>A chain and the endpoints by which it is read.</summary>
/// <param name="Prefix">Name of the chain: that of its relay commands.</param>
/// <param name="ChainId">What every endpoint must answer to <c>eth_chainId</c>.</param>
/// <param name="Endpoints">JSON-RPC addresses of independent operators.</param>
public sealed record ChainAccess(string Prefix, ulong ChainId, IReadOnlyList<Uri> Endpoints)
{
    private static readonly Dictionary<string, ulong> Known = new(StringComparer.Ordinal)
    {
        ["diode"] = 15,
        ["glmr"] = 1284,
        ["base"] = 8453,
        ["sapphire"] = 23294,
        ["av"] = 31337,
    };

    // Sapphire and its test network: confidential, and blocks are named by the runtime's own header.
    private const ulong Sapphire = 23294;
    private const ulong SapphireTestnet = 23295;

    /// <summary>Whether it is a runtime of Oasis: blocks have names of their own, and there are no proofs.</summary>
    public bool IsOasis => ChainId is Sapphire or SapphireTestnet;

    /// <summary>About how long the chain takes for a block; of an unknown one a guess.</summary>
    public TimeSpan BlockTime => TimeSpan.FromSeconds(ChainId switch
    {
        15 => 15,
        1284 or 23294 => 6,
        8453 => 2,
        _ => 12,
    });

    /// <summary>The prefixes that are known.</summary>
    public static IEnumerable<string> Prefixes => Known.Keys;

    /// <summary>Whether a text names a known chain, by prefix or number.</summary>
    public static bool TryFind(string text, [NotNullWhen(true)] out string? prefix, out ulong chainId)
    {
        prefix = text;
        if (Known.TryGetValue(text, out chainId))
        {
            return true;
        }

        bool isNumber = ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ulong number) && number > 0;
        chainId = number;
        prefix = isNumber ? Known.FirstOrDefault(known => known.Value == number).Key ?? text : null;
        return isNumber;
    }

    /// <summary>Reads <c>glmr=https://…</c> texts; several for one chain are its endpoints. Null, or what is wrong.</summary>
    public static string? TryParse(IEnumerable<string> texts, out IReadOnlyList<ChainAccess> chains)
    {
        ArgumentNullException.ThrowIfNull(texts);
        var found = new List<ChainAccess>();
        chains = found;
        foreach (string text in texts)
        {
            int equals = text.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0 || !TryFind(text[..equals], out string? prefix, out ulong chainId))
            {
                return $"'{text}' is not CHAIN=URL with one of {string.Join(", ", Known.Keys)} or a chain id";
            }

            if (!Uri.TryCreate(text[(equals + 1)..], UriKind.Absolute, out Uri? endpoint) || endpoint.Scheme is not ("http" or "https"))
            {
                return $"'{text[(equals + 1)..]}' is not an http or https address";
            }

            int index = found.FindIndex(c => c.ChainId == chainId);
            if (index < 0)
            {
                found.Add(new ChainAccess(prefix, chainId, [endpoint]));
            }
            else if (!found[index].Endpoints.Contains(endpoint))
            {
                found[index] = found[index] with { Endpoints = [.. found[index].Endpoints, endpoint] };
            }
        }

        return null;
    }
}
