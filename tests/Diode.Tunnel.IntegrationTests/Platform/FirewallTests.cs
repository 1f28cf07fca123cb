using System.Net;
using Diode.Tunnel.IntegrationTests.Namespaces;
using Diode.Tunnel.Platform.Network;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.Platform;

/// <summary>
/// The rulesets in real nftables with real packets. A veth pair stands in for the adapter and the tunnel behind it.
/// <code>
/// client ──tun0 198.18.50.0/24 tun0── host ──eth0 198.18.60.0/24 eth0── internet (also 10.1.1.1, 169.254.169.254)
/// </code>
/// </summary>
public sealed class FirewallTests : IDisposable
{
    private readonly NetNamespace _client = new();
    private readonly NetNamespace _host = new();
    private readonly NetNamespace _internet = new();
    private readonly TemporaryFolder _folder = new();
    private readonly SystemChanges _changes;

    public FirewallTests()
    {
        _changes = SystemChanges.Open(_folder["journal"]);
        _client.Connect("tun0", "198.18.50.2/24", _host, "tun0", "198.18.50.1/24");
        _host.Connect("eth0", "198.18.60.1/24", _internet, "eth0", "198.18.60.2/24");
        _client.AddAddress("tun0", "2001:db8:50::2/64");
        _host.AddAddress("tun0", "2001:db8:50::1/64");
        _host.AddAddress("eth0", "2001:db8:60::1/64");
        _internet.AddAddress("eth0", "2001:db8:60::2/64");
        _internet.Exec("ip address add 10.1.1.1/32 dev lo; ip address add 169.254.169.254/32 dev lo; ip -6 route add default via 2001:db8:60::1");
        _host.Exec("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1; ip route add 10.1.1.1 via 198.18.60.2; ip route add 169.254.169.254 via 198.18.60.2");
        _client.Exec("ip route add default via 198.18.50.1; ip -6 route add default via 2001:db8:50::1");
        // An adapter has no neighbour discovery, and the exit's firewall admits none.
        _client.Exec($"ip -6 neigh add 2001:db8:50::1 lladdr {LinkAddress(_host, "tun0")} dev tun0 nud permanent");
        _host.Exec($"ip -6 neigh add 2001:db8:50::2 lladdr {LinkAddress(_client, "tun0")} dev tun0 nud permanent");
    }

    public static TheoryData<string> ExitVariants => new(ExitOptions.Keys);

    public static TheoryData<string> GuardVariants => new(GuardOptions.Keys);

    private static Dictionary<string, FirewallExitOptions> ExitOptions { get; } = new()
    {
        ["minimal"] = new() { AdapterName = "tun0" },
        ["everything"] = new()
        {
            AdapterName = "tun0",
            EgressInterface = "eth0",
            HasIpv6 = true,
            VirtualAddresses = [IPAddress.Parse("100.64.1.1"), IPAddress.Parse("fd01::1")],
            LocalPorts = [53, 5353],
            DeniedPrefixes = [IPNetwork.Parse("10.0.0.0/9"), IPNetwork.Parse("8.8.8.0/24"), IPNetwork.Parse("2001:db8:1::/48")],
            DeniedTcpPorts = [25, 465],
        },
        ["trusting"] = new()
        {
            AdapterName = "diode0",
            TrustsPacketFilter = true,
            VirtualAddresses = [IPAddress.Parse("100.64.1.1")],
            DeniedTcpPorts = [],
        },
    };

    private static Dictionary<string, FirewallGuardOptions> GuardOptions { get; } = new()
    {
        ["blocked"] = new(),
        ["ipv4 only"] = new()
        {
            AdapterName = "tun0",
            MeshPrefixes = [IPNetwork.Parse("100.64.0.0/10"), IPNetwork.Parse("fd01::/48")],
            VirtualAddresses = [IPAddress.Parse("100.64.1.1"), IPAddress.Parse("fd01::1")],
        },
        ["both families and LAN"] = new()
        {
            AdapterName = "tun0",
            HasIpv6 = true,
            LanPrefixes = [IPNetwork.Parse("192.168.0.0/16"), IPNetwork.Parse("192.168.7.0/24"), IPNetwork.Parse("fe80::/10")],
        },
    };

    [Theory]
    [MemberData(nameof(ExitVariants))]
    public void Every_exit_variant_loads_and_is_replaced_and_removed(string variant) =>
        LoadTwice(FirewallExitRuleset.ToChange(ExitOptions[variant]));

    [Theory]
    [MemberData(nameof(GuardVariants))]
    public void Every_guard_variant_loads_and_is_replaced_and_removed(string variant) =>
        LoadTwice(FirewallGuardRuleset.ToChange(GuardOptions[variant]));

    [Fact]
    public void An_exit_lets_clients_reach_the_internet_masqueraded_and_nothing_private()
    {
        // Without the firewall every one of these is reachable: the test can tell the difference.
        _internet.Exec("ip route add 198.18.50.0/24 via 198.18.60.1");
        foreach (string address in new[] { "198.18.60.2", "10.1.1.1", "169.254.169.254", "198.18.60.1", "198.18.50.1" })
        {
            Assert.True(Pings(_client, address), address);
        }

        _internet.Exec("ip route del 198.18.50.0/24");
        Apply(FirewallExitRuleset.ToChange(new FirewallExitOptions
        {
            AdapterName = "tun0",
            HasIpv6 = true,
            VirtualAddresses = [IPAddress.Parse("198.18.50.1")],
        }));

        // Reached without a route back: only masquerading explains it.
        Assert.True(Pings(_client, "198.18.60.2"));
        Assert.True(Pings(_client, "2001:db8:60::2"));
        Assert.False(Pings(_client, "10.1.1.1"));
        Assert.False(Pings(_client, "169.254.169.254"));
        // The exit itself: its virtual address answers pings, its other addresses do not.
        Assert.True(Pings(_client, "198.18.50.1"));
        Assert.False(Pings(_client, "198.18.60.1"));
        Assert.False(Pings(_client, "2001:db8:60::1"));
        // TCP: the internet answers "refused" at once, a port of the exit and mail stay silent or prohibited.
        Assert.Contains("refused", Connect(_client, "198.18.60.2", 8080), StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("refused", Connect(_client, "198.18.60.1", 8080), StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("refused", Connect(_client, "198.18.60.2", 25), StringComparison.OrdinalIgnoreCase);
        Assert.Contains("refused", Connect(_client, "198.18.50.1", 53), StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("refused", Connect(_client, "198.18.50.1", 22), StringComparison.OrdinalIgnoreCase);
        // Nobody out there reaches a client on his own.
        _internet.Exec("ip route add 198.18.50.0/24 via 198.18.60.1");
        Assert.False(Pings(_internet, "198.18.50.2"));
        Assert.Contains("packets", _host.Exec("nft list counter inet diode_tunnel_exit to_internet"), StringComparison.Ordinal);
    }

    [Fact]
    public void An_exit_isolates_clients_from_each_other()
    {
        // The other client's address is routed back into the adapter, so the packet turns around at the exit.
        _host.Exec("ip route add 198.18.51.0/24 via 198.18.50.2 dev tun0");
        string before = ForwardedByHost();
        Ping(_client, "198.18.51.2");
        Assert.NotEqual(before, ForwardedByHost());

        Apply(FirewallExitRuleset.ToChange(new FirewallExitOptions { AdapterName = "tun0" }));
        Ping(_client, "198.18.51.2");

        Assert.DoesNotContain("packets 0 ", _host.Exec("nft list counter inet diode_tunnel_exit denied"), StringComparison.Ordinal);
        Assert.Contains("packets 0 ", _host.Exec("nft list counter inet diode_tunnel_exit to_internet"), StringComparison.Ordinal);
    }

    [Fact]
    public void The_guard_lets_only_the_adapter_and_the_underlay_out()
    {
        // The host is the client here: tun0 leads to the exit, eth0 is its physical network.
        Assert.True(Pings(_host, "198.18.60.2"));
        Assert.True(Pings(_host, "2001:db8:60::2"));
        _client.AddAddress("lo", "2001:db8:51::1/128");
        _host.Exec("ip -6 route add 2001:db8:51::/64 via 2001:db8:50::2");
        Assert.True(Pings(_host, "2001:db8:51::1"));
        FirewallGuardOptions options = new()
        {
            AdapterName = "tun0",
            MeshPrefixes = [IPNetwork.Parse("2001:db8:50::/64")],
            VirtualAddresses = [IPAddress.Parse("198.18.50.1")],
        };
        Apply(FirewallGuardRuleset.ToChange(options));

        Assert.True(Pings(_host, "198.18.50.2"));
        Assert.True(Pings(_host, "127.0.0.1"));
        Assert.False(Pings(_host, "198.18.60.2"));
        Assert.False(Pings(_host, "2001:db8:60::2"));
        Assert.True(Pings(_host, "2001:db8:50::2"));
        Assert.False(Pings(_host, "2001:db8:51::1"));
        // The underlay passes by its mark, and nothing else with another mark.
        Assert.True(Pings(_host, $"-m {0x0d10de01} 198.18.60.2"));
        Assert.False(Pings(_host, $"-m {0x0d10df00} 198.18.60.2"));
        // A refusal comes at once.
        Assert.Contains("refused", Connect(_host, "198.18.60.2", 80), StringComparison.OrdinalIgnoreCase);
        // Forwarded packets (containers, a hotspot) do not escape either.
        Assert.False(Pings(_client, "198.18.60.2"));
        // A neighbour cannot find the virtual address.
        _internet.Exec("ip route add 198.18.50.1 via 198.18.60.1");
        Assert.False(Pings(_internet, "198.18.50.1"));

        Apply(FirewallGuardRuleset.ToChange(options with { LanPrefixes = [IPNetwork.Parse("198.18.60.0/24")] }));
        Assert.True(Pings(_host, "198.18.60.2"));
        _internet.Exec("nft 'table inet seen { chain c { type filter hook prerouting priority 0; meta l4proto { tcp, udp } counter; }; }'");
        // Names stay inside although the network is allowed: a refusal by us, before anything is sent.
        string received = _internet.Exec("nft list table inet seen");
        _host.TryExec("echo x | timeout 1 socat - UDP:198.18.60.2:53; echo x | timeout 1 socat - TCP:198.18.60.2:53; echo x | timeout 1 socat - TCP:198.18.60.2:853");
        Assert.Equal(received, _internet.Exec("nft list table inet seen"));

        Apply(FirewallGuardRuleset.ToChange(new FirewallGuardOptions()));
        Assert.False(Pings(_host, "198.18.50.2"));
        Assert.False(Pings(_host, "198.18.60.2"));
        Assert.True(Pings(_host, $"-m {0x0d10de00} 198.18.60.2"));

        _host.Run(() => _changes.Undo("firewall"));
        Assert.True(Pings(_host, "198.18.60.2"));
        Assert.True(Pings(_host, "2001:db8:60::2"));
    }

    public void Dispose()
    {
        _changes.Dispose();
        _client.Dispose();
        _host.Dispose();
        _internet.Dispose();
        _folder.Dispose();
    }

    private static string LinkAddress(NetNamespace from, string interfaceName) =>
        from.Exec($"ip -br link show {interfaceName}").Split(' ', StringSplitOptions.RemoveEmptyEntries)[2];

    private static bool Pings(NetNamespace from, string target) =>
        Ping(from, target).Contains("1 received", StringComparison.Ordinal);

    private static string Ping(NetNamespace from, string target) => from.TryExec($"ping -n -c 1 -W 0.5 {target}").Output;

    private static string Connect(NetNamespace from, string address, int port) =>
        from.TryExec($"echo | timeout 1 socat - TCP:{address}:{port}").Output;

    // Ip: … ForwDatagrams is the sixth value of /proc/net/snmp.
    private string ForwardedByHost() => _host.Exec("grep ^Ip: /proc/thread-self/net/snmp | tail -1 | cut -d' ' -f7");

    private void Apply(TableChange change) => _host.Run(() => _changes.Apply("firewall", change));

    private void LoadTwice(TableChange change)
    {
        Apply(change);
        string once = _host.Exec("nft list ruleset");
        Assert.Contains($"table inet {change.Name} {{", once, StringComparison.Ordinal);
        Apply(change with { Body = change.Body + "\n" });
        Assert.Equal(once, _host.Exec("nft list ruleset"));
        _host.Run(() => _changes.Undo("firewall"));
        Assert.Equal("", _host.Exec("nft list ruleset"));
    }
}
