using System.Net;
using System.Net.Sockets;

namespace Diode.Tunnel.Platform.Network;

/// <summary>Destinations an exit never forwards to: what is not the public internet, and ways around that.</summary>
public static class FirewallPrefixes
{
    /// <summary>IPv4 (RFC 6890), and one public address that is a cloud's metadata service.</summary>
    public static IReadOnlyList<IPNetwork> DeniedIpv4 { get; } =
    [
        IPNetwork.Parse("0.0.0.0/8"),
        IPNetwork.Parse("10.0.0.0/8"),
        IPNetwork.Parse("100.64.0.0/10"),
        IPNetwork.Parse("127.0.0.0/8"),
        IPNetwork.Parse("168.63.129.16/32"), // Azure WireServer
        IPNetwork.Parse("169.254.0.0/16"), // with the metadata service 169.254.169.254
        IPNetwork.Parse("172.16.0.0/12"),
        IPNetwork.Parse("192.0.0.0/24"),
        IPNetwork.Parse("192.168.0.0/16"),
        IPNetwork.Parse("224.0.0.0/4"),
        IPNetwork.Parse("240.0.0.0/4"), // with the broadcast address
    ];

    /// <summary>IPv6 (RFC 6890), and the ranges that carry an IPv4 address inside.</summary>
    public static IReadOnlyList<IPNetwork> DeniedIpv6 { get; } =
    [
        IPNetwork.Parse("::/96"), // unspecified, loopback, IPv4-compatible
        IPNetwork.Parse("::ffff:0:0/96"),
        IPNetwork.Parse("64:ff9b::/96"), // NAT64 would reach private IPv4
        IPNetwork.Parse("64:ff9b:1::/48"),
        IPNetwork.Parse("2002::/16"), // 6to4
        IPNetwork.Parse("fc00::/7"),
        IPNetwork.Parse("fe80::/10"),
        IPNetwork.Parse("fec0::/10"),
        IPNetwork.Parse("ff00::/8"),
    ];

    /// <summary>Leaves out prefixes that lie in another one: nftables refuses them in a set written in a rule.</summary>
    internal static List<IPNetwork> WithoutContained(this IEnumerable<IPNetwork> prefixes)
    {
        List<IPNetwork> widest = [];
        foreach (IPNetwork prefix in prefixes.OrderBy(prefix => prefix.PrefixLength))
        {
            if (!widest.Exists(wide => wide.Contains(prefix.BaseAddress)))
            {
                widest.Add(prefix);
            }
        }

        return widest;
    }

    internal static IEnumerable<IPNetwork> OfFamily(this IEnumerable<IPNetwork> prefixes, AddressFamily family) =>
        prefixes.Where(prefix => prefix.BaseAddress.AddressFamily == family);

    internal static IEnumerable<IPAddress> OfFamily(this IEnumerable<IPAddress> addresses, AddressFamily family) =>
        addresses.Where(address => address.AddressFamily == family);
}
