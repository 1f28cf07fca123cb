using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Diode.Tunnel.IntegrationTests.Namespaces;
using Diode.Tunnel.Platform.Network;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.Platform;

public sealed class SystemNetworkEventsTests : IDisposable
{
    private readonly NetNamespace _namespace = new();
    private readonly BlockingCollection<SystemNetworkChange> _told = [];
    private int _calls;

    // Without IPv6, whose link-local addresses become usable some time after the link.
    public SystemNetworkEventsTests() => _namespace.Exec("echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6");

    [Fact]
    public void Changes_of_links_addresses_and_routes_are_told_and_repetitions_are_not()
    {
        _namespace.Exec("ip link add dummy0 type veth peer name dummy1 && ip link set dummy1 up");
        using SystemNetworkEvents events = _namespace.Run(() => SystemNetworkEvents.Start(_told.Add));
        AssertQuiet();

        _namespace.Exec("ip link set dummy0 up");
        Assert.True(Gather().HasFlag(SystemNetworkChange.Interfaces));
        _namespace.Exec("ip address add 198.18.9.1/24 dev dummy0");
        Assert.True(Gather().HasFlag(SystemNetworkChange.Addresses));
        _namespace.Exec("ip route add 203.0.113.0/24 via 198.18.9.2");
        Assert.Equal(SystemNetworkChange.Routes, Gather());
        _namespace.Exec("ip route del 203.0.113.0/24");
        Assert.Equal(SystemNetworkChange.Routes, Gather());
        _namespace.Exec("ip link set dummy0 mtu 1400");
        Assert.True(Gather().HasFlag(SystemNetworkChange.Interfaces));

        _namespace.Exec("ip link set dummy0 alias same && ip link set dummy0 up && ip address replace 198.18.9.1/24 dev dummy0 valid_lft 500 preferred_lft 500");
        AssertQuiet();
        _namespace.Exec("ip address del 198.18.9.1/24 dev dummy0");
        Assert.True(Gather().HasFlag(SystemNetworkChange.Addresses));
        _namespace.Exec("ip link del dummy0");
        Assert.True(Gather().HasFlag(SystemNetworkChange.Interfaces));
    }

    [Fact]
    public void Many_changes_are_gathered_and_our_own_interface_is_not_told()
    {
        _namespace.Exec("ip link add dummy0 type veth peer name dummy1 && ip link set dummy0 up && ip link set dummy1 up");
        using SystemNetworkEvents events = _namespace.Run(() => SystemNetworkEvents.Start(_told.Add));
        Gather();
        Stopwatch time = Stopwatch.StartNew();
        _namespace.Exec("for i in $(seq 1 60); do ip address add 198.18.9.$i/32 dev dummy0; done");
        Gather();
        Assert.InRange(_calls, 1, 2 + (int)(time.ElapsedMilliseconds / 100));

        events.IgnoredInterface = int.Parse(_namespace.Exec("cat /sys/class/net/lo/ifindex; ip -o link show dummy0 | cut -d: -f1").Split('\n')[1], CultureInfo.InvariantCulture);
        _namespace.Exec("ip address add 198.18.10.1/24 dev dummy0 && ip route add 203.0.113.0/24 dev dummy0 && ip link set dummy0 mtu 1300");
        AssertQuiet();
    }

    [Fact]
    public void Waking_up_is_told()
    {
        TimeSpan slept = TimeSpan.FromHours(1);
        using SystemNetworkEvents events = _namespace.Run(() => SystemNetworkEvents.Start(_told.Add, () => slept));
        _namespace.Exec("ip address add 198.18.9.1/32 dev lo");
        Assert.Equal(SystemNetworkChange.Addresses, Gather());
        slept += TimeSpan.FromSeconds(30);
        _namespace.Exec("ip address add 198.18.9.2/32 dev lo");
        Assert.Equal(SystemNetworkChange.Addresses | SystemNetworkChange.Resumed, Gather());
        Assert.InRange(LinuxNetworkEventSource.ReadSlept(), TimeSpan.Zero, TimeSpan.FromDays(10_000));
    }

    [Fact]
    public void What_was_asked_while_the_cable_was_out_is_forgotten_when_it_is_back()
    {
        // Questions that the kernel never gives up, and one neighbor that is known for sure.
        _namespace.Exec(
            "ip link add up0 type veth peer name switch0 && ip address add 198.18.9.1/24 dev up0 && ip link set up0 up && ip link set switch0 up"
            + " && sysctl -qw net.ipv4.neigh.up0.mcast_solicit=100"
            + " && ip neighbor add 198.18.9.3 lladdr 02:00:00:00:00:03 dev up0 nud permanent");
        using SystemNetworkEvents events = _namespace.Run(() => SystemNetworkEvents.Start(_told.Add));
        _namespace.Exec("ip link set switch0 down");
        Gather();
        _namespace.Exec("ping -c 1 -W 1 198.18.9.2 || true");
        Assert.Contains("198.18.9.2 ", _namespace.Exec("ip neighbor show dev up0 nud incomplete"), StringComparison.Ordinal);

        _namespace.Exec("ip link set switch0 up");
        Assert.True(Gather().HasFlag(SystemNetworkChange.Interfaces));
        string after = _namespace.Exec("ip neighbor show dev up0 nud all");
        Assert.DoesNotContain("198.18.9.2 ", after, StringComparison.Ordinal);
        Assert.Contains("198.18.9.3 ", after, StringComparison.Ordinal);
    }

    [Fact]
    public void Disposing_ends_the_watch()
    {
        SystemNetworkEvents events = _namespace.Run(() => SystemNetworkEvents.Start(_told.Add));
        events.Dispose();
        events.Dispose();
        _namespace.Exec("ip address add 198.18.9.1/32 dev lo");
        AssertQuiet();
    }

    public void Dispose()
    {
        _namespace.Dispose();
        _told.Dispose();
    }

    /// <summary>What is told until it has been quiet for a while.</summary>
    private SystemNetworkChange Gather()
    {
        SystemNetworkChange all = SystemNetworkChange.None;
        _calls = 0;
        for (int wait = 5000; _told.TryTake(out SystemNetworkChange change, wait); wait = 400)
        {
            all |= change;
            _calls++;
        }

        return all;
    }

    private void AssertQuiet() => Assert.False(_told.TryTake(out SystemNetworkChange change, 500), change.ToString());
}
