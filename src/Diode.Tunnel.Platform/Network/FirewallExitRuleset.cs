using System.Net;
using System.Net.Sockets;

namespace Diode.Tunnel.Platform.Network;

/// <summary>
/// The firewall of an exit: clients reach the public internet and nothing else, neither this machine, nor its network,
/// nor each other. Pure text; loaded with a <see cref="TableChange"/>.
/// <para>
/// A verdict "accept" counts for this table only: where another program's table drops forwarded packets (a policy of
/// ufw or Docker), that program must be told to let the adapter through.
/// </para>
/// </summary>
public static class FirewallExitRuleset
{
    /// <summary>Name of the table (family inet).</summary>
    public const string TableName = "diode_tunnel_exit";

    /// <summary>
    /// Connection mark of what clients opened. Set when their first packet is let through, so that exactly these
    /// connections are masqueraded: in the postrouting hook the incoming interface is no longer known.
    /// </summary>
    public const uint ConnectionMark = 0x0d10def0;

    /// <summary>Builds the change that loads the table.</summary>
    public static TableChange ToChange(FirewallExitOptions options) => new("inet", TableName, Build(options));

    /// <summary>Builds the body of the table.</summary>
    public static string Build(FirewallExitOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        string adapter = FirewallText.Interface(options.AdapterName);
        FirewallText text = new();
        text.Line("counter to_internet { }").Line("counter from_internet { }").Line("counter denied { }");
        AddSets(text, options);
        AddForward(text, options, adapter);
        AddInput(text, options, adapter);
        text.Open("chain postrouting");
        text.Line("type nat hook postrouting priority srcnat; policy accept;");
        text.Line(options.HasIpv6
            ? $"ct mark 0x{ConnectionMark:x8} masquerade"
            : $"ct mark 0x{ConnectionMark:x8} meta nfproto ipv4 masquerade");
        return text.Close().ToString();
    }

    private static void AddSets(FirewallText text, FirewallExitOptions options)
    {
        IEnumerable<IPNetwork> denied = FirewallPrefixes.DeniedIpv4
            .Concat(FirewallPrefixes.DeniedIpv6)
            .Concat(options.DeniedPrefixes)
            .Distinct()
            .ToList();
        text.PrefixSet("denied4", "ipv4_addr", denied.OfFamily(AddressFamily.InterNetwork));
        text.PrefixSet("denied6", "ipv6_addr", denied.OfFamily(AddressFamily.InterNetworkV6));
    }

    private static void AddForward(FirewallText text, FirewallExitOptions options, string adapter)
    {
        text.Open("chain forward");
        text.Line("type filter hook forward priority filter; policy accept;");
        text.Line("# clients are isolated from each other");
        text.Line($"iifname {adapter} oifname {adapter} counter name denied drop");
        text.Line($"iifname {adapter} jump from_clients");
        text.Line($"oifname {adapter} jump to_clients");
        text.Close();

        text.Open("chain from_clients");
        text.LineIf(!options.HasIpv6, "meta nfproto ipv6 counter name denied reject with icmpx type no-route");
        text.Line("ip daddr @denied4 counter name denied reject with icmpx type admin-prohibited");
        text.Line("ip6 daddr @denied6 counter name denied reject with icmpx type admin-prohibited");
        text.LineIf(
            options.EgressInterface is not null,
            $"oifname != {FirewallText.Interface(options.EgressInterface ?? "unused")} counter name denied reject with icmpx type no-route");
        text.LineIf(
            options.DeniedTcpPorts.Count > 0,
            $"tcp dport {FirewallText.Set(options.DeniedTcpPorts)} counter name denied reject with icmpx type admin-prohibited");
        text.Line("ct state invalid counter name denied drop");
        text.Line("tcp flags syn tcp option maxseg size set rt mtu");
        text.Line($"ct mark set 0x{ConnectionMark:x8} counter name to_internet accept");
        text.Close();

        text.Open("chain to_clients");
        text.Line("# only answers to what a client asked");
        text.Line("tcp flags syn tcp option maxseg size set rt mtu");
        text.Line($"ct state established,related ct mark 0x{ConnectionMark:x8} counter name from_internet accept");
        text.Line("counter name denied drop");
        text.Close();
    }

    private static void AddInput(FirewallText text, FirewallExitOptions options, string adapter)
    {
        text.Open("chain input");
        text.Line("type filter hook input priority filter; policy accept;");
        text.Line($"iifname {adapter} jump input_from_clients");
        text.Close();

        text.Open("chain input_from_clients");
        text.Line("# all other addresses of this machine, its relay ports among them, are closed to clients");
        text.Line("ct state established,related accept");
        AddLocal(text, options, "ip", options.VirtualAddresses.OfFamily(AddressFamily.InterNetwork), "icmp type echo-request");
        AddLocal(text, options, "ip6", options.VirtualAddresses.OfFamily(AddressFamily.InterNetworkV6), "icmpv6 type echo-request");
        text.Line("counter name denied drop");
        text.Close();
    }

    private static void AddLocal(
        FirewallText text, FirewallExitOptions options, string family, IEnumerable<IPAddress> addresses, string echo)
    {
        List<IPAddress> own = [.. addresses];
        if (own.Count == 0)
        {
            return;
        }

        string destination = $"{family} daddr {FirewallText.Set(own)}";
        if (options.TrustsPacketFilter)
        {
            text.Line($"{destination} accept");
            return;
        }

        text.Line($"{destination} {echo} limit rate 100/second burst 100 packets accept");
        if (options.LocalPorts.Count > 0)
        {
            string ports = FirewallText.Set(options.LocalPorts);
            text.Line($"{destination} udp dport {ports} accept");
            text.Line($"{destination} tcp dport {ports} accept");
        }
    }
}
