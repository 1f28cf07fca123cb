using System.Net;
using Diode.Tunnel.WireGuard;
using Xunit;

namespace Diode.Tunnel.Tests.WireGuard.Routing;

public class AllowedIpsTests
{
    [Fact]
    public void The_longest_prefix_wins_in_both_families()
    {
        VirtualWire wire = new();
        VirtualNode node = wire.AddNode("node");
        Peer wide = Add(node, wire.AddNode("wide"), "0.0.0.0/0", "::/0");
        Peer narrow = Add(node, wire.AddNode("narrow"), "10.1.0.0/16", "fd00::/8");
        Peer host = Add(node, wire.AddNode("host"), "10.1.2.3/32", "fd00::5/128");

        Assert.Equal(wide, Find(node, "8.8.8.8"));
        Assert.Equal(narrow, Find(node, "10.1.2.4"));
        Assert.Equal(host, Find(node, "10.1.2.3"));
        Assert.Equal(wide, Find(node, "2001:db8::1"));
        Assert.Equal(narrow, Find(node, "fd00::6"));
        Assert.Equal(host, Find(node, "fd00::5"));

        node.Interface.RemovePeer(host);
        Assert.Equal(narrow, Find(node, "10.1.2.3"));
        node.Interface.SetAllowedIps(narrow, []);
        Assert.Equal(wide, Find(node, "fd00::5"));
    }

    [Fact]
    public void A_prefix_moves_to_the_peer_that_gets_it_last()
    {
        VirtualWire wire = new();
        VirtualNode node = wire.AddNode("node");
        Peer first = Add(node, wire.AddNode("first"), "10.0.0.0/8");
        Peer second = Add(node, wire.AddNode("second"), "10.0.0.0/8");
        Assert.Equal(second, Find(node, "10.9.9.9"));
        node.Interface.RemovePeer(first);
        Assert.Equal(second, Find(node, "10.9.9.9"));
    }

    [Fact]
    public void Route_looks_at_the_destination()
    {
        VirtualWire wire = new();
        VirtualNode node = wire.AddNode("node");
        VirtualNode other = wire.AddNode("other");
        Peer peer = node.Connect(other);
        Assert.Equal(peer, node.Interface.Route(VirtualNode.MakePacket(node.Address, other.Address, 0, 40)));
        Assert.Null(node.Interface.Route(VirtualNode.MakePacket(other.Address, node.Address, 0, 40)));
        Assert.Null(node.Interface.Route([]));
        Assert.Null(node.Interface.Route([0x60, 0, 0]));
    }

    private static Peer Add(VirtualNode node, VirtualNode other, params string[] prefixes)
    {
        return node.Connect(other, o => o with { AllowedIps = [.. prefixes.Select(p => IPNetwork.Parse(p))] });
    }

    private static Peer? Find(VirtualNode node, string address)
    {
        return node.Interface.AllowedIps.Find(IPAddress.Parse(address).GetAddressBytes());
    }
}
