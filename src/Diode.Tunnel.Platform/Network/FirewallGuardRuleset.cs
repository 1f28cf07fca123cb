using System.Net;
using System.Net.Sockets;

namespace Diode.Tunnel.Platform.Network;

/// <summary>
/// The kill switch of an exit's client: nothing leaves this machine except through the adapter, whatever the routing
/// tables say. Refuses instead of dropping, so that programs fail fast. Pure text; loaded with a
/// <see cref="TableChange"/> that survives crashes.
/// </summary>
public static class FirewallGuardRuleset
{
    /// <summary>Name of the table (family inet).</summary>
    public const string TableName = "diode_tunnel_guard";

    private const string Refuse = "counter reject with icmpx type admin-prohibited";

    /// <summary>Builds the change that loads the table. It stays in force when the process dies.</summary>
    public static TableChange ToChange(FirewallGuardOptions options) =>
        new("inet", TableName, Build(options)) { SurvivesCrash = true };

    /// <summary>Builds the body of the table.</summary>
    public static string Build(FirewallGuardOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        string? adapter = options.AdapterName is { } name ? FirewallText.Interface(name) : null;
        FirewallText text = new();
        AddPrerouting(text, options, adapter);

        text.Open("chain output");
        text.Line("type filter hook output priority filter; policy drop;");
        text.Line("oifname \"lo\" accept");
        text.Line("# The underlay: sockets of the daemon carry this mark (SO_MARK needs CAP_NET_ADMIN, so no");
        text.Line("# ordinary program can set it). Policy rules send the same mark past the tunnel's routing table.");
        text.Line($"{FirewallText.HasMark(options.FirewallMark, options.FirewallMask)} counter accept");
        AddLinkEssentials(text);
        AddWaysOut(text, options, adapter);
        text.Close();

        text.Open("chain forward");
        text.Line("type filter hook forward priority filter; policy drop;");
        text.LineIf(adapter is not null, $"iifname {adapter} ct state established,related accept");
        AddWaysOut(text, options, adapter);
        text.Close();
        return text.ToString();
    }

    /// <summary>
    /// Packets to a virtual address that come in elsewhere are dropped before anything answers them: otherwise a
    /// neighbour on the local network can find out the address and probe connections inside (CVE-2019-14899).
    /// </summary>
    private static void AddPrerouting(FirewallText text, FirewallGuardOptions options, string? adapter)
    {
        if (adapter is null || options.VirtualAddresses.Count == 0)
        {
            return;
        }

        text.Open("chain prerouting");
        text.Line("type filter hook prerouting priority raw; policy accept;");
        foreach ((string family, AddressFamily kind) in Families)
        {
            List<IPAddress> own = [.. options.VirtualAddresses.OfFamily(kind)];
            text.LineIf(
                own.Count > 0,
                $"iifname != {{ {adapter}, \"lo\" }} {family} daddr {FirewallText.Set(own)} counter drop");
        }

        text.Close();
    }

    private static (string Keyword, AddressFamily Family)[] Families { get; } =
        [("ip", AddressFamily.InterNetwork), ("ip6", AddressFamily.InterNetworkV6)];

    /// <summary>DHCP and neighbour discovery keep the underlay's own address and neighbours alive.</summary>
    private static void AddLinkEssentials(FirewallText text)
    {
        text.Line("meta nfproto ipv4 udp sport 68 udp dport 67 accept");
        text.Line("ip6 saddr fe80::/10 udp sport 546 udp dport 547 ip6 daddr { fe80::/10, ff02::1:2, ff05::1:3 } accept");
        text.Line("icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept");
        text.Line("icmpv6 type { mld-listener-report, mld-listener-done, mld2-listener-report } ip6 daddr ff02::/16 accept");
    }

    /// <summary>Where ordinary packets may go: the adapter; the LAN if asked; nowhere else.</summary>
    private static void AddWaysOut(FirewallText text, FirewallGuardOptions options, string? adapter)
    {
        if (adapter is not null)
        {
            if (options.HasIpv6)
            {
                text.Line($"oifname {adapter} accept");
            }
            else
            {
                text.Line($"oifname {adapter} meta nfproto ipv4 accept");
                foreach (IPNetwork mesh in options.MeshPrefixes.OfFamily(AddressFamily.InterNetworkV6))
                {
                    text.Line($"oifname {adapter} ip6 daddr {mesh} accept");
                }

                // Also on the adapter itself, where the exit would drop it silently. TCP by reset: an ICMP error that comes while
                // connect() holds the socket only ends the connection at its first retransmission, a second later.
                text.Line($"oifname {adapter} meta nfproto ipv6 meta l4proto tcp counter reject with tcp reset");
                text.Line($"oifname {adapter} meta nfproto ipv6 counter reject with icmpx type no-route");
            }
        }

        text.Line("# names are resolved inside the tunnel only, also where the local network is allowed");
        text.Line($"udp dport {{ 53, 853 }} {Refuse}");
        text.Line($"tcp dport {{ 53, 853 }} {Refuse}");
        foreach ((string family, AddressFamily kind) in Families)
        {
            List<IPNetwork> lan = options.LanPrefixes.OfFamily(kind).WithoutContained();
            text.LineIf(lan.Count > 0, $"{family} daddr {FirewallText.Set(lan)} accept");
        }

        text.Line("meta l4proto tcp counter reject with tcp reset");
        text.Line(Refuse);
    }
}
