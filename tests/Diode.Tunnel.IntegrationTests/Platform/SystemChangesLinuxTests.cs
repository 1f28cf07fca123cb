using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Diode.Tunnel.IntegrationTests.Namespaces;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Network;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.Platform;

/// <summary>Every kind of change against the real kernel, judged by the ip, nft and sysctl tools.</summary>
public sealed class SystemChangesLinuxTests : IDisposable
{
    private const string EverythingCommand =
        "ip -d address show; ip -d route show table all; ip -6 -d route show table all; ip -d rule; ip -6 -d rule; nft list ruleset; cat /proc/sys/net/ipv4/ip_forward";

    private static readonly TimeSpan TimeToSettle = TimeSpan.FromSeconds(5);

    private readonly NetNamespace _namespace = new();
    private readonly NetNamespace _farEnd = new();
    private readonly TemporaryFolder _folder = new();

    public SystemChangesLinuxTests()
    {
        _namespace.Exec($"ip link add eth0 type veth peer name eth1 netns {_farEnd.Name} && ip link set eth0 addrgenmode none");
        _farEnd.Exec("ip link set eth1 up");
        _namespace.Exec("ip link set eth0 up && ip link set eth0 down");
    }

    private static SystemChange[] AllKinds =>
    [
        new LinkChange("eth0", Mtu: 1280, IsUp: true),
        new AddressChange("eth0", IPAddress.Parse("100.64.3.4"), 32),
        new AddressChange("eth0", IPAddress.Parse("fd01:2345:6789::7"), 128),
        new RouteChange(IPNetwork.Parse("100.64.0.0/10"), "eth0"),
        new RouteChange(IPNetwork.Parse("198.18.7.0/24"), null, IPAddress.Parse("100.64.9.9"), Metric: 77),
        new RouteChange(IPNetwork.Parse("fd01:2345:6789::/48"), "eth0", Metric: 50),
        new RouteChange(IPNetwork.Parse("0.0.0.0/0"), "eth0", Table: 0xd10de),
        new RouteChange(IPNetwork.Parse("::/0"), null, Table: 0xd10de, Type: RouteType.Unreachable),
        new RouteChange(IPNetwork.Parse("10.0.0.0/8"), null, Table: 0xd10de, Type: RouteType.Throw),
        new RouteChange(IPNetwork.Parse("10.9.0.0/16"), null, Table: 99, Type: RouteType.Blackhole),
        new RuleChange(AddressFamily.InterNetwork, 5210, 254) { SuppressPrefixLength = 0 },
        new RuleChange(AddressFamily.InterNetworkV6, 5210, 254) { SuppressPrefixLength = 0 },
        new RuleChange(AddressFamily.InterNetwork, 5220, 0xd10de) { FirewallMark = 0x0d10de00, FirewallMask = 0xffffff00, Invert = true },
        new RuleChange(AddressFamily.InterNetworkV6, 5220, 0xd10de) { FirewallMark = 0x0d10de00, FirewallMask = 0xffffff00, Invert = true },
        new RuleChange(AddressFamily.InterNetwork, 5230, 99) { IncomingInterface = "lo", OutgoingInterface = "eth0" },
        new RuleChange(AddressFamily.InterNetwork, 5240, 0) { IsUnreachable = true, IncomingInterface = "eth0" },
        new TableChange("inet", "diode_tunnel_test", "\tchain c { type filter hook input priority 0; policy accept; counter; }"),
        new SysctlChange("net/ipv4/ip_forward", "1"),
    ];

    [Fact]
    public void Every_change_is_visible_to_the_tools_and_undo_restores_exactly()
    {
        string before = Everything();
        using SystemChanges changes = Open();

        _namespace.Run(() => Array.ForEach(AllKinds, change => changes.Apply("mesh", change)));

        JsonElement addresses = Json("ip -j address show dev eth0")[0];
        Assert.Equal(1280, addresses.GetProperty("mtu").GetInt32());
        string addressText = addresses.ToString();
        Assert.Contains("100.64.3.4", addressText, StringComparison.Ordinal);
        Assert.Contains("fd01:2345:6789::7", addressText, StringComparison.Ordinal);
        Assert.Equal("100.64.9.9", Json("ip -j route show 198.18.7.0/24")[0].GetProperty("gateway").GetString());
        Assert.Equal(77, Json("ip -j route show 198.18.7.0/24")[0].GetProperty("metric").GetInt32());
        Assert.Equal("eth0", Json("ip -j route show table 856286")[0].GetProperty("dev").GetString());
        string private4 = _namespace.Exec("ip route show table 856286");
        Assert.Contains("throw 10.0.0.0/8", private4, StringComparison.Ordinal);
        Assert.Contains("blackhole 10.9.0.0/16", _namespace.Exec("ip route show table 99"), StringComparison.Ordinal);
        Assert.Contains("unreachable default", _namespace.Exec("ip -6 route show table 856286"), StringComparison.Ordinal);
        foreach (string rules in new[] { _namespace.Exec("ip rule"), _namespace.Exec("ip -6 rule") })
        {
            Assert.Contains("from all lookup main suppress_prefixlength 0", rules, StringComparison.Ordinal);
            Assert.Contains("not from all fwmark 0xd10de00/0xffffff00 lookup 856286", rules, StringComparison.Ordinal);
        }

        string rules4 = _namespace.Exec("ip rule");
        Assert.Contains("from all iif lo oif eth0 lookup 99", rules4, StringComparison.Ordinal);
        Assert.Contains("from all iif eth0 unreachable", rules4, StringComparison.Ordinal);
        Assert.Contains("diode_tunnel_test", _namespace.Exec("nft list ruleset"), StringComparison.Ordinal);
        Assert.Equal("1", _namespace.Exec("cat /proc/sys/net/ipv4/ip_forward").Trim());

        // All of it once more: idempotent.
        string applied = EverythingWithCarrier();
        _namespace.Run(() => Array.ForEach(AllKinds, change => changes.Apply("mesh", change)));
        Assert.Equal(applied, Everything());

        _namespace.Run(() => changes.Undo("mesh"));
        AssertBecomes(before);
        Assert.Empty(changes.ActiveScopes);
        Assert.Equal(0, new FileInfo(_folder["journal"]).Length);
    }

    [Fact]
    public void A_killed_process_is_cleaned_up_from_its_journal()
    {
        string before = Everything();
        using (SystemChanges dead = Open())
        {
            // Dispose only closes the journal, as the kernel does at kill -9.
            _namespace.Run(() => Array.ForEach(AllKinds, change => dead.Apply("mesh", change)));
        }

        using SystemChanges changes = Open();
        IReadOnlyList<RecoveredChange> recovered = _namespace.Run(() => changes.Recover());

        Assert.Equal(AllKinds.Length, recovered.Count);
        Assert.All(recovered, change => Assert.Equal(RecoveryOutcome.Undone, change.Outcome));
        AssertBecomes(before);
    }

    [Fact]
    public void Recovery_accepts_that_the_adapter_and_everything_on_it_is_gone()
    {
        using (SystemChanges dead = Open())
        {
            _namespace.Run(() => Array.ForEach(AllKinds, change => dead.Apply("mesh", change)));
        }

        _namespace.Exec("ip link del eth0; ip rule flush; ip -6 rule flush; nft flush ruleset; ip route flush table 856286");
        using SystemChanges changes = Open();

        Assert.All(
            _namespace.Run(() => changes.Recover()),
            change => Assert.Equal((RecoveryOutcome.Undone, null), (change.Outcome, change.Error)));
        Assert.Empty(_namespace.Run(() => changes.Recover()));
    }

    [Fact]
    public void What_was_there_before_us_stays()
    {
        _namespace.Exec("ip link set eth0 up; ip address add 198.18.9.1/24 dev eth0; ip route add 198.18.10.0/24 dev eth0; ip rule add priority 77 lookup 99; sysctl -qw net.ipv4.ip_forward=1");
        string before = EverythingWithCarrier();
        using SystemChanges changes = Open();

        _namespace.Run(() =>
        {
            changes.Apply("a", new AddressChange("eth0", IPAddress.Parse("198.18.9.1"), 24));
            changes.Apply("a", new RouteChange(IPNetwork.Parse("198.18.10.0/24"), "eth0"));
            changes.Apply("a", new RuleChange(AddressFamily.InterNetwork, 77, 99));
            changes.Apply("a", new SysctlChange("net/ipv4/ip_forward", "1"));
            changes.Apply("a", new LinkChange("eth0", IsUp: true));
            changes.UndoAll();
        });

        AssertBecomes(before);
    }

    [Fact]
    public void A_parameter_changed_by_others_since_is_left_alone()
    {
        using SystemChanges changes = Open();
        _namespace.Run(() => changes.Apply("a", new SysctlChange("net/ipv4/conf/eth0/rp_filter", "2")));
        _namespace.Exec("sysctl -qw net.ipv4.conf.eth0.rp_filter=1");

        _namespace.Run(() => changes.Undo("a"));

        Assert.Equal("1", _namespace.Exec("cat /proc/sys/net/ipv4/conf/eth0/rp_filter").Trim());
    }

    [Fact]
    public void Refusals_name_the_reason_and_leave_nothing()
    {
        string before = Everything();
        using SystemChanges changes = Open();
        _namespace.Run(() =>
        {
            Refused("no network interface 'nosuch0'", new LinkChange("nosuch0", IsUp: true));
            Refused("198.18.9.0/24", new RouteChange(IPNetwork.Parse("198.18.9.0/24"), null, IPAddress.Parse("198.18.99.1")));
            Refused("syntax error", new TableChange("inet", "diode_tunnel_test", "chain {{{"));
            Refused("net/no/such", new SysctlChange("net/no/such", "1"));
        });
        _namespace.Exec("ip link set eth0 up; ip route add 198.18.10.0/24 dev eth0 metric 5; ip address add 198.18.11.1/24 dev eth0");
        _namespace.Run(() => Refused(
            "another program has a route",
            new RouteChange(IPNetwork.Parse("198.18.10.0/24"), null, IPAddress.Parse("198.18.11.9"), Metric: 5)));
        _namespace.Exec("ip address del 198.18.11.1/24 dev eth0; ip route del 198.18.10.0/24; ip link set eth0 down");

        AssertBecomes(before);
        Assert.Equal(0, new FileInfo(_folder["journal"]).Length);

        void Refused(string text, SystemChange change)
        {
            PlatformException refused = Assert.Throws<PlatformException>(() => changes.Apply("mesh", change));
            Assert.Contains(text, refused.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_table_is_replaced_as_a_whole_and_survives_a_crash_if_asked()
    {
        using (SystemChanges dead = Open())
        {
            _namespace.Run(() =>
            {
                dead.Apply("guard", Table("198.18.1.1"));
                dead.Apply("guard", Table("198.18.1.2"));
            });
        }

        string loaded = _namespace.Exec("nft list table inet diode_tunnel_test");
        Assert.DoesNotContain("198.18.1.1", loaded, StringComparison.Ordinal);
        Assert.Contains("198.18.1.2", loaded, StringComparison.Ordinal);

        using SystemChanges changes = Open();
        RecoveredChange kept = Assert.Single(_namespace.Run(() => changes.Recover(scope => scope == "guard")));
        Assert.Equal(RecoveryOutcome.Kept, kept.Outcome);
        Assert.Equal(loaded, _namespace.Exec("nft list table inet diode_tunnel_test"));

        _namespace.Run(() => changes.Apply("guard", Table("198.18.1.3")));
        Assert.Contains("198.18.1.3", _namespace.Exec("nft list table inet diode_tunnel_test"), StringComparison.Ordinal);
        _namespace.Run(changes.UndoAll);
        Assert.Equal("", _namespace.Exec("nft list ruleset"));

        static TableChange Table(string address) => new(
            "inet", "diode_tunnel_test", $"chain c {{ type filter hook output priority 0; ip daddr {address} drop; }}")
        { SurvivesCrash = true };
    }

    [Fact]
    public void A_snapshot_reports_interfaces_addresses_routes_and_rules()
    {
        _namespace.Exec("ip link set eth0 mtu 1400 up; ip address add 198.18.9.1/24 dev eth0; ip -6 address add 2001:db8::1/64 dev eth0 nodad; ip route add 100.64.7.0/24 via 198.18.9.2 metric 9; ip rule add priority 88 fwmark 0x1/0xf lookup 7");

        NetworkSnapshot snapshot = _namespace.Run(NetworkSnapshot.Read);

        InterfaceSnapshot eth0 = Assert.Single(snapshot.Interfaces, entry => entry.Name == "eth0");
        Assert.Equal((1400, true, false), (eth0.Mtu, eth0.IsUp, eth0.IsLoopback));
        Assert.Contains(new AddressSnapshot(IPAddress.Parse("198.18.9.1"), 24), eth0.Addresses);
        Assert.Contains(new AddressSnapshot(IPAddress.Parse("2001:db8::1"), 64), eth0.Addresses);
        RouteSnapshot overlap = Assert.Single(snapshot.FindOverlaps(IPNetwork.Parse("100.64.0.0/10")));
        Assert.Equal(
            new RouteSnapshot(IPNetwork.Parse("100.64.7.0/24"), IPAddress.Parse("198.18.9.2"), eth0.Index, 254, 9, RouteType.Unicast),
            overlap);
        Assert.Contains(
            new RuleChange(AddressFamily.InterNetwork, 88, 7) { FirewallMark = 1, FirewallMask = 0xf }, snapshot.Rules);
        Assert.Contains(snapshot.Routes, route => route.Destination == IPNetwork.Parse("2001:db8::/64"));
    }

    [Fact]
    public void Underlay_packets_carry_the_mark()
    {
        _namespace.Exec("ip link set eth0 up; ip address add 198.18.9.1/24 dev eth0");
        _namespace.Exec("nft 'table inet t { chain c { type filter hook output priority 0; udp dport 9 meta mark & 0xffffff00 == 0x0d10de00 counter comment \"marked\"; }; }'");
        _namespace.Run(() =>
        {
            using Socket udp = UnderlaySocket.CreateUdp(AddressFamily.InterNetwork);
            udp.SendTo(new byte[1], new IPEndPoint(IPAddress.Parse("198.18.9.2"), 9));
            using Socket plain = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            plain.SendTo(new byte[1], new IPEndPoint(IPAddress.Parse("198.18.9.2"), 9));
            using Socket tcp = UnderlaySocket.CreateTcp(AddressFamily.InterNetworkV6);
            Assert.True(tcp.NoDelay);
            Assert.Equal(60, (int)tcp.GetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime)!);
            Assert.Equal(5, (int)tcp.GetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount)!);
        });

        Assert.Contains("counter packets 1 ", _namespace.Exec("nft list table inet t"), StringComparison.Ordinal);
    }

    public void Dispose()
    {
        _folder.Dispose();
        _namespace.Dispose();
        _farEnd.Dispose();
    }

    private SystemChanges Open() => SystemChanges.Open(_folder["journal"]);

    private JsonElement Json(string command) => JsonDocument.Parse(_namespace.Exec(command)).RootElement;

    private string Everything() => _namespace.Exec(EverythingCommand);

    // The kernel announces a carrier, and makes what hangs on it, some time after the link was set up.
    private string EverythingWithCarrier()
    {
        Assert.True(SpinWait.SpinUntil(
            () => _namespace.Exec("ip link show dev eth0; ip -6 route show table all type multicast dev eth0")
                is var text && text.Contains("state UP", StringComparison.Ordinal) && text.Contains("ff00::/8", StringComparison.Ordinal),
            TimeToSettle));
        return Everything();
    }

    private void AssertBecomes(string expected)
    {
        SpinWait.SpinUntil(() => Everything() == expected, TimeToSettle);
        Assert.Equal(expected, Everything());
    }
}
