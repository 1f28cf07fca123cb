namespace Diode.Tunnel.IntegrationTests.Mesh;

/// <summary>What stands between a device and the internet.</summary>
public enum NatKind
{
    /// <summary>Nothing: a public address.</summary>
    None,

    /// <summary>One mapping whoever is spoken to; lets in only what was spoken to, address and port.</summary>
    EndpointIndependent,

    /// <summary>One mapping; lets in whatever comes from an address that was spoken to.</summary>
    AddressDependent,

    /// <summary>Another mapping for each receiver; lets in only that one.</summary>
    Symmetric,

    /// <summary>No UDP.</summary>
    UdpBlocked,

    /// <summary>TCP to port 443 and nothing else.</summary>
    Tcp443Only,
}

/// <content>Devices behind NATs and firewalls, made by nftables.</content>
public sealed partial class MeshWorld
{
    private const int InsideHost = 2;

    /// <summary>Adds a device behind a router of its own.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="nat">What the router does.</param>
    /// <param name="network">First three bytes of the router's outer network: port mappers refuse addresses for documentation.</param>
    internal MeshDevice AddDeviceBehind(string name, NatKind nat, string network = "198.51.100")
    {
        if (nat == NatKind.None)
        {
            return AddDevice(name);
        }

        int number = _devices.Count + 1;
        string router = "n" + name;
        string outside = Invariant($"{network}.{(4 * number) + 2}");
        string inside = Invariant($"10.71.{number}");
        AddHost(router);
        AddHost(name);
        Net.Connect(router, "wan", outside + "/30", Internet, name, Invariant($"{network}.{(4 * number) + 1}/30"));
        Net.Check(router, "ip", "route", "add", "default", "via", Invariant($"{network}.{(4 * number) + 1}"));
        Net.Check(router, "sysctl", "-qw", "net.ipv4.ip_forward=1");
        Net.Connect(name, "up0", $"{inside}.{InsideHost}/24", router, "lan", $"{inside}.1/24");
        Net.Check(name, "ip", "route", "add", "default", "via", $"{inside}.1");
        string file = Path.Combine(Net.Folder, router + ".nft");
        File.WriteAllText(file, NatRules(nat, $"{inside}.{InsideHost}"));
        Net.Check(router, "nft", "-f", file);
        File.WriteAllText($"/etc/netns/{Net.Namespace(name)}/resolv.conf", $"nameserver {DeviceNameServer}\n");
        MeshDevice device = new(this, name, outside, "") { Router = router, RelayUri = nat == NatKind.Tcp443Only ? Port443(RelayUri) : null };
        _devices.Add(device);
        return device;
    }

    /// <summary>The address of the relay for those who reach its port 443 only.</summary>
    internal static string Port443(string uri) => uri.Replace(":41046", ":443", StringComparison.Ordinal);

    private static string NatRules(NatKind nat, string device)
    {
        string forward = nat switch
        {
            NatKind.UdpBlocked => "meta l4proto udp drop",
            NatKind.Tcp443Only => "iifname lan tcp dport != 443 drop\n    meta l4proto != tcp drop",
            NatKind.AddressDependent => "oifname wan meta l4proto udp update @spoken { ip daddr timeout 60s }\n    ct status dnat accept",
            _ => "",
        };
        string prerouting = nat == NatKind.AddressDependent
            ? $"iifname wan ip saddr @spoken meta l4proto udp dnat to {device}"
            : "";
        string masquerade = nat == NatKind.Symmetric ? "masquerade random,fully-random" : "masquerade";

        // What nobody asked for is dropped before the connection table keeps it, as home routers do.
        return $$"""
            table ip nat4 {
              set spoken { type ipv4_addr; flags dynamic,timeout; timeout 60s; }
              chain pre { type nat hook prerouting priority -100; policy accept;
                {{prerouting}}
              }
              chain post { type nat hook postrouting priority 100; policy accept;
                oifname wan {{masquerade}}
              }
              chain forward { type filter hook forward priority 0; policy accept;
                {{forward}}
                iifname wan ct state established,related accept
                iifname wan drop
              }
              chain input { type filter hook input priority 0; policy accept;
                iifname wan ct state established,related accept
                iifname wan drop
              }
            }

            """;
    }
}
