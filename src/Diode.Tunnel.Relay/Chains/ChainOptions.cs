using System.Diagnostics.CodeAnalysis;

namespace Diode.Tunnel.Relay.Chains;

/// <summary>A chain that the relay reads, and where.</summary>
public sealed record ChainOptions
{
    /// <summary>Which chain.</summary>
    public required ChainDefinition Chain { get; init; }

    /// <summary>JSON-RPC endpoints in the order they are tried.</summary>
    public required IReadOnlyList<Uri> Endpoints { get; init; }

    /// <summary>Reads <c>prefix=url</c>.</summary>
    public static bool TryParse(
        string text, [NotNullWhen(true)] out ChainDefinition? chain, [NotNullWhen(true)] out Uri? endpoint)
    {
        int equals = text.IndexOf('=', StringComparison.Ordinal);
        chain = equals > 0 ? ChainDefinition.Find(text[..equals]) : null;
        endpoint = null;
        return chain is not null
            && Uri.TryCreate(text[(equals + 1)..], UriKind.Absolute, out endpoint)
            && endpoint.Scheme is "http" or "https";
    }

    /// <summary>Collects texts of the form <c>prefix=url</c>; several of one prefix are tried in turn.</summary>
    /// <exception cref="FormatException">A text is of another form.</exception>
    public static IReadOnlyList<ChainOptions> Parse(IEnumerable<string> texts)
    {
        var chains = new List<(ChainDefinition Chain, List<Uri> Endpoints)>();
        foreach (string text in texts)
        {
            if (!TryParse(text, out ChainDefinition? chain, out Uri? endpoint))
            {
                string known = string.Join(", ", ChainDefinition.Known.Select(one => one.Prefix));
                throw new FormatException($"'{text}' is not of the form prefix=http://host:port with a prefix of {known}.");
            }

            List<Uri>? endpoints = chains.Find(entry => entry.Chain == chain).Endpoints;
            if (endpoints is null)
            {
                chains.Add((chain, endpoints = []));
            }

            endpoints.Add(endpoint);
        }

        return [.. chains.Select(entry => new ChainOptions { Chain = entry.Chain, Endpoints = entry.Endpoints })];
    }
}
