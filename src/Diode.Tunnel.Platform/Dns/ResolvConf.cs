using System.Net;
using System.Text;

namespace Diode.Tunnel.Platform.Dns;

/// <summary>
/// The text of resolv.conf(5): reads name servers out of anyone's file and writes ours. Ours begins with a marker and
/// carries the previous name servers as comments, so that they are known even if the journal is lost.
/// </summary>
internal static class ResolvConf
{
    private const string Marker = "# Written by Diode Tunnel.";
    private const string UpstreamComment = "# upstream ";
    private const int MaxLineLength = 1024;

    /// <summary>True if we wrote the text.</summary>
    internal static bool IsOurs(string? content) =>
        content is not null && content.StartsWith(Marker, StringComparison.Ordinal);

    /// <summary>The name servers of a text that is not ours, or the remembered ones of a text that is.</summary>
    internal static List<IPAddress> ReadUpstreams(string? content) =>
        content is null ? [] : ReadAddresses(content, IsOurs(content) ? UpstreamComment : "nameserver");

    /// <summary>The name servers that programs ask now.</summary>
    internal static List<IPAddress> ReadNameServers(string? content) =>
        content is null ? [] : ReadAddresses(content, "nameserver");

    /// <summary>Builds our text: our servers, and search list and options as they were.</summary>
    internal static string Write(IEnumerable<IPAddress> servers, string? previous)
    {
        StringBuilder text = new();
        text.Append(Marker).Append(" The previous content returns when the tunnel stops or after 'diode-tunnel reset'.\n");
        HashSet<IPAddress> own = [.. servers];
        foreach (IPAddress upstream in ReadUpstreams(previous))
        {
            if (!own.Contains(upstream))
            {
                text.Append(UpstreamComment).Append(upstream).Append('\n');
            }
        }

        foreach (IPAddress server in servers)
        {
            text.Append("nameserver ").Append(server).Append('\n');
        }

        foreach (string line in (previous ?? "").Split('\n'))
        {
            string trimmed = line.Trim();
            if (trimmed.Length < MaxLineLength && FirstWord(trimmed) is "search" or "domain" or "options")
            {
                text.Append(trimmed).Append('\n');
            }
        }

        return text.ToString();
    }

    /// <summary>A file that asks the remembered servers: what there is to restore if only our own text is left.</summary>
    internal static string? WithoutUs(string content)
    {
        List<IPAddress> upstreams = ReadUpstreams(content);
        return upstreams.Count == 0 ? null : string.Concat(upstreams.Select(server => $"nameserver {server}\n"));
    }

    private static List<IPAddress> ReadAddresses(string content, string keyword)
    {
        List<IPAddress> addresses = [];
        foreach (ReadOnlySpan<char> line in content.AsSpan().EnumerateLines())
        {
            ReadOnlySpan<char> trimmed = line.Trim();
            if (!trimmed.StartsWith(keyword, StringComparison.Ordinal))
            {
                continue;
            }

            ReadOnlySpan<char> rest = trimmed[keyword.Length..];
            if (!keyword.EndsWith(' ') && (rest.IsEmpty || !char.IsWhiteSpace(rest[0])))
            {
                continue;
            }

            rest = rest.Trim();
            int end = rest.IndexOfAny(" \t#;");
            if (IPAddress.TryParse(end < 0 ? rest : rest[..end], out IPAddress? address) && !addresses.Contains(address))
            {
                addresses.Add(address);
            }
        }

        return addresses;
    }

    private static string FirstWord(string line)
    {
        int end = line.AsSpan().IndexOfAny(' ', '\t');
        return end < 0 ? "" : line[..end];
    }
}
