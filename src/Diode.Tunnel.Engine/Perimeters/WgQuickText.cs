using System.Collections.Immutable;
using System.Text.RegularExpressions;

namespace Diode.Tunnel.Engine.Perimeters;

/// <summary>
/// What the <c>wireguard</c> property of a perimeter says: a configuration of wg-quick, perhaps all in one line (diode-client §14.4). Read to be
/// shown: it is not applied, and no command in it is ever run. Immutable.
/// </summary>
/// <param name="KeyFromContract">The private key is to be asked of the contract (<c>PrivateKey = auto</c>).</param>
/// <param name="Interface">Address, port and the like of the interface, without secrets and commands.</param>
/// <param name="Peers">Its peers: device or key, and networks.</param>
/// <param name="HasCommands">It holds commands such as <c>PostUp</c>.</param>
internal sealed partial record WgQuickText(bool KeyFromContract, string Interface, ImmutableArray<string> Peers, bool HasCommands)
{
    private const int MostPeers = 256;
    private const string Private = "PrivateKey";

    /// <summary>Reads it; null when there is no section.</summary>
    public static WgQuickText? TryRead(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        bool keyFromContract = false;
        bool hasCommands = false;
        var shown = new List<string>();
        List<string>? peer = null;
        var peers = new List<List<string>>();
        bool hasSection = false;
        foreach (string raw in Breaks().Replace(text, "\n$0").Split('\n'))
        {
            string line = raw.Trim();
            if (line.Equals("[Interface]", StringComparison.OrdinalIgnoreCase) || line.Equals("[Peer]", StringComparison.OrdinalIgnoreCase))
            {
                hasSection = true;
                peer = char.ToLowerInvariant(line[1]) == 'p' ? [] : null;
                if (peer is not null && peers.Count < MostPeers)
                {
                    peers.Add(peer);
                }

                continue;
            }

            // Clients that do not know Diode see the device in a comment.
            int equals = line.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0)
            {
                continue;
            }

            string key = line[..equals].TrimStart('#', ' ').Trim();
            string value = line[(equals + 1)..].Trim();
            if (key.StartsWith("Pre", StringComparison.Ordinal) && !key.Equals("PresharedKey", StringComparison.OrdinalIgnoreCase)
                || key.StartsWith("Post", StringComparison.Ordinal))
            {
                hasCommands = true;
            }
            else if (key.Equals(Private, StringComparison.OrdinalIgnoreCase))
            {
                keyFromContract |= value.Equals("auto", StringComparison.OrdinalIgnoreCase);
            }
            else if (peer is not null && key is "DiodeDevice" or "PublicKey" or "AllowedIPs" or "Endpoint")
            {
                peer!.Add($"{key} {value}");
            }
            else if (peer is null && key is "Address" or "ListenPort" or "DNS" or "MTU")
            {
                shown.Add($"{key} {value}");
            }
        }

        return hasSection
            ? new WgQuickText(keyFromContract, string.Join(", ", shown), [.. peers.Select(static p => string.Join(", ", p))], hasCommands)
            : null;
    }

    [GeneratedRegex(
        @"\[(?:Interface|Peer)\]|(?<=[\s\]])(?:# ?)?(?:PrivateKey|PublicKey|PresharedKey|Address|ListenPort|DNS|MTU|Table|FwMark|SaveConfig|AllowedIPs|Endpoint|PersistentKeepalive|DiodeDevice|PreUp|PostUp|PreDown|PostDown)\s*=|(?<=\])",
        RegexOptions.CultureInvariant | RegexOptions.IgnoreCase)]
    private static partial Regex Breaks();
}
