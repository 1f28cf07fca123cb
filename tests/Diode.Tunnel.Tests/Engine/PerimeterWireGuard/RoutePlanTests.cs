using System.Net;
using Diode.Tunnel.Engine.PerimeterWireGuard;
using Diode.Tunnel.Platform.Network;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.PerimeterWireGuard;

public sealed class RoutePlanTests
{
    private const string Key = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
    private const int Lan = 2;
    private const int Own = 9;

    private static readonly IPNetwork[] Mesh = [IPNetwork.Parse("100.64.0.0/10"), IPNetwork.Parse("fdf8:43cd:6db1::/48")];
    private static readonly (IPAddress, string)[] Needed = [(IPAddress.Parse("198.51.100.7"), "the relay 198.51.100.7"), (IPAddress.Parse("2001:db8:1::7"), "the relay 2001:db8:1::7")];

    [Theory]
    [InlineData("10.9.0.0/24")]
    [InlineData("10.0.0.0/8")]
    [InlineData("192.168.7.1/32")]
    [InlineData("203.0.113.0/24")]
    [InlineData("fd00:9::/64")]
    [InlineData("2a00:1::/32")]
    public void Networks_are_routed(string network)
    {
        RoutePlan plan = Make(network);
        Assert.Empty(plan.Warnings);
        Assert.Equal(network, Assert.Single(plan.Routes).ToString());
    }

    [Theory]
    [InlineData("0.0.0.0/0", "all traffic")]
    [InlineData("::/0", "all traffic")]
    [InlineData("0.0.0.0/1", "the mesh")]
    [InlineData("128.0.0.0/1", "link-local")]
    [InlineData("128.0.0.0/3", "too much of the internet")]
    [InlineData("11.0.0.0/15", "too much of the internet")]
    [InlineData("10.0.0.0/7", "too much of the internet")]
    [InlineData("2000::/4", "too much of the internet")]
    [InlineData("8000::/1", "the mesh")]
    [InlineData("100.64.3.0/24", "the mesh")]
    [InlineData("100.100.100.100/32", "the mesh")]
    [InlineData("100.0.0.0/8", "the mesh")]
    [InlineData("fdf8:43cd:6db1:1::/64", "the mesh")]
    [InlineData("fc00::/7", "the mesh")]
    [InlineData("127.0.0.1/32", "loopback")]
    [InlineData("::1/128", "loopback")]
    [InlineData("169.254.169.254/32", "link-local")]
    [InlineData("fe80::/64", "link-local")]
    [InlineData("224.0.0.0/8", "multicast")]
    [InlineData("ff02::/16", "multicast")]
    [InlineData("255.255.255.255/32", "reserved")]
    [InlineData("198.51.100.0/24", "the way to the relay 198.51.100.7")]
    [InlineData("198.51.100.7/32", "the way to the relay 198.51.100.7")]
    [InlineData("2001:db8:1::/48", "the way to the relay 2001:db8:1::7")]
    [InlineData("192.168.1.0/24", "a route of its own")]
    [InlineData("192.168.1.0/25", "part of 192.168.1.0/24")]
    [InlineData("192.168.1.1/32", "part of 192.168.1.0/24")]
    [InlineData("172.20.5.0/24", "part of 172.20.0.0/16")]
    public void What_is_the_machines_is_not_routed_nor_accepted_from_there(string network, string why)
    {
        RoutePlan plan = Make("10.9.0.0/24, " + network);
        Assert.Equal("10.9.0.0/24", Assert.Single(plan.Routes).ToString());
        Assert.StartsWith($"{network} is not routed: ", Assert.Single(plan.Warnings), StringComparison.Ordinal);
        Assert.Contains(why, plan.Warnings[0], StringComparison.Ordinal);
        Assert.Equal("10.9.0.0/24", Assert.Single(plan.Accepted(Config("10.9.0.0/24, " + network).Peers[0])).ToString());
    }

    /// <summary>A wider network does not take away what has a longer route: the LAN with its gateway.</summary>
    [Fact]
    public void A_wider_network_leaves_the_local_one_alone()
    {
        Assert.Equal("192.168.0.0/16", Assert.Single(Make("192.168.0.0/16").Routes).ToString());
    }

    [Fact]
    public void A_gateway_that_only_the_default_route_would_reach_is_kept()
    {
        NetworkSnapshot machine = Machine() with { Routes = [Route("0.0.0.0/0", Lan, "10.9.0.1")] };
        Assert.Contains("the way to the gateway 10.9.0.1", Assert.Single(Make("10.9.0.0/24", machine).Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_there_because_of_the_interface_itself_does_not_count()
    {
        NetworkSnapshot machine = Machine();
        machine = machine with
        {
            Routes = [.. machine.Routes, Route("10.9.0.0/24", Own)],
            Interfaces = [.. machine.Interfaces, new InterfaceSnapshot(Own, "wg-diode-prod", 1420, true, false, [new AddressSnapshot(IPAddress.Parse("10.9.0.2"), 32)])],
        };
        RoutePlan plan = RoutePlan.Make(Config("10.9.0.0/24", "10.9.0.2/24"), machine, "wg-diode-prod", Mesh, Needed);
        Assert.Empty(plan.Warnings);
        Assert.Equal("10.9.0.2", Assert.Single(plan.Addresses).ToString());
        Assert.Equal("10.9.0.0/24", Assert.Single(plan.Routes).ToString());
    }

    [Theory]
    [InlineData("192.168.1.50/24", "this machine has it already", "")]
    [InlineData("127.0.0.2/8", "loopback", "")]
    [InlineData("100.64.1.1/32", "the mesh", "")]
    [InlineData("198.51.100.7/32", "the address of the relay", "")]
    [InlineData("192.168.1.1/32", "the address of the gateway", "")]
    [InlineData("192.168.1.60/24", "a route of its own", "192.168.1.60")]
    [InlineData("10.9.0.2/0", "all traffic", "10.9.0.2")]
    public void Addresses_and_their_networks_are_taken_alike(string address, string why, string taken)
    {
        RoutePlan plan = RoutePlan.Make(Config("10.8.0.0/24", address), Machine(), "wg-diode-prod", Mesh, Needed);
        Assert.Contains(why, Assert.Single(plan.Warnings), StringComparison.Ordinal);
        Assert.Equal(taken, string.Join(' ', plan.Addresses));
        Assert.Equal("10.8.0.0/24", Assert.Single(plan.Routes).ToString());
    }

    [Theory]
    [InlineData("127.0.0.1", false)]
    [InlineData("100.64.0.9", false)]
    [InlineData("fe80::1", false)]
    [InlineData("203.0.113.5", true)]
    [InlineData("192.168.1.1", true)]
    public void Endpoints_are_outside(string address, bool isFine)
    {
        Assert.Equal(isFine, RoutePlan.RefusalOfEndpoint(IPAddress.Parse(address), Mesh) is null);
    }

    private static RoutePlan Make(string allowed, NetworkSnapshot? machine = null) => RoutePlan.Make(Config(allowed), machine ?? Machine(), "wg-diode-prod", Mesh, Needed);

    private static WgQuickConfig Config(string allowed, string? address = null) =>
        WgQuickParser.TryRead($"[Interface] PrivateKey = auto {(address is null ? "" : $"Address = {address}")} [Peer] PublicKey = {Key} AllowedIPs = {allowed}")!;

    private static NetworkSnapshot Machine() => new(
        [new InterfaceSnapshot(Lan, "eth0", 1500, true, false, [new AddressSnapshot(IPAddress.Parse("192.168.1.50"), 24)])],
        [
            Route("0.0.0.0/0", Lan, "192.168.1.1"), Route("192.168.1.0/24", Lan), Route("172.20.0.0/16", 3), Route("::/0", Lan),
            new RouteSnapshot(IPNetwork.Parse("192.168.1.50/32"), null, Lan, 255, 0, null),
        ],
        []);

    private static RouteSnapshot Route(string destination, int index, string? gateway = null) =>
        new(IPNetwork.Parse(destination), gateway is null ? null : IPAddress.Parse(gateway), index, RouteChange.MainTable, 0, RouteType.Unicast);
}
