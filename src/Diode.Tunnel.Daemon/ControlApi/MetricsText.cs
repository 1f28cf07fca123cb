using System.Globalization;
using System.Text;

namespace Diode.Tunnel.Daemon.ControlApi;

/// <summary>Counters as Prometheus text (exposition format 0.0.4).</summary>
internal static class MetricsText
{
    internal const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    private const string Prefix = "diode_tunnel_";

    /// <summary>Writes all counters, sorted, each family with its type. A name with odd characters is cleaned, not dropped.</summary>
    internal static string Write(IReadOnlyDictionary<string, long> counters)
    {
        var text = new StringBuilder();
        string? family = null;

        // Sorted by family first: '{' sorts after letters, so "a_b" would otherwise stand between "a" and "a{…}".
        foreach ((string name, string labels, long value) in counters
            .Select(counter => Split(counter.Key, counter.Value))
            .OrderBy(counter => counter.Name, StringComparer.Ordinal)
            .ThenBy(counter => counter.Labels, StringComparer.Ordinal))
        {
            if (name != family)
            {
                family = name;
                string type = name.EndsWith("_total", StringComparison.Ordinal) ? "counter" : "gauge";
                text.Append("# TYPE ").Append(name).Append(' ').Append(type).Append('\n');
            }

            text.Append(name).Append(labels).Append(' ').Append(value.ToString(CultureInfo.InvariantCulture)).Append('\n');
        }

        return text.ToString();
    }

    private static (string Name, string Labels, long Value) Split(string key, long value)
    {
        int brace = key.IndexOf('{', StringComparison.Ordinal);
        string name = brace < 0 ? key : key[..brace];
        string labels = brace < 0 ? "" : key[brace..].Replace("\n", "", StringComparison.Ordinal);
        return (Prefix + string.Concat(name.Select(c => char.IsAsciiLetterOrDigit(c) || c == '_' ? c : '_')), labels, value);
    }
}
