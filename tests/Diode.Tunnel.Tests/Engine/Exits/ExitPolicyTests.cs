using System.Net;
using Diode.Tunnel.Engine.Exits;
using Diode.Tunnel.Engine.Packets;
using Diode.Tunnel.Tests.Engine.Packets;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.Exits;

public class ExitPolicyTests
{
    [Theory]
    [InlineData("8.8.8.8", true)]
    [InlineData("1.1.1.1", true)]
    [InlineData("9.255.255.255", true)]
    [InlineData("11.0.0.0", true)]
    [InlineData("100.63.255.255", true)]
    [InlineData("100.128.0.0", true)]
    [InlineData("172.15.255.255", true)]
    [InlineData("172.32.0.0", true)]
    [InlineData("192.167.255.255", true)]
    [InlineData("192.169.0.0", true)]
    [InlineData("223.255.255.255", true)]
    [InlineData("2001:4860:4860::8888", true)]
    [InlineData("2a00::1", true)]
    [InlineData("3fff::1", true)]
    [InlineData("0.0.0.0", false)]
    [InlineData("0.1.2.3", false)]
    [InlineData("10.0.0.0", false)]
    [InlineData("10.255.255.255", false)]
    [InlineData("100.64.0.0", false)]
    [InlineData("100.100.100.100", false)]
    [InlineData("100.127.255.255", false)]
    [InlineData("127.0.0.1", false)]
    [InlineData("168.63.129.16", false)]
    [InlineData("169.254.169.254", false)]
    [InlineData("172.16.0.0", false)]
    [InlineData("172.31.255.255", false)]
    [InlineData("192.0.0.1", false)]
    [InlineData("192.168.0.0", false)]
    [InlineData("192.168.255.255", false)]
    [InlineData("224.0.0.1", false)]
    [InlineData("239.255.255.255", false)]
    [InlineData("240.0.0.1", false)]
    [InlineData("255.255.255.255", false)]
    [InlineData("::", false)]
    [InlineData("::1", false)]
    [InlineData("::8.8.8.8", false)]
    [InlineData("64:ff9b::808:808", false)]
    [InlineData("2002:808:808::1", false)]
    [InlineData("fc00::1", false)]
    [InlineData("fdf8:43cd:6db1::1", false)]
    [InlineData("fe80::1", false)]
    [InlineData("fec0::1", false)]
    [InlineData("ff02::1", false)]
    [InlineData("4000::1", false)]
    public void Only_public_addresses_are_reached(string address, bool allowed)
    {
        Assert.Equal(allowed, ExitPolicy.IsPublic(PacketAddress.From(IPAddress.Parse(address))));
    }

    [Fact]
    public void A_resolver_query_is_port_53_of_TCP_or_UDP()
    {
        Assert.True(ExitPolicy.IsResolverQuery(PacketBuilder.Parse(PacketBuilder.Udp("100.64.0.1", "100.64.0.2", 5000, 53))));
        Assert.True(ExitPolicy.IsResolverQuery(PacketBuilder.Parse(PacketBuilder.Tcp("fd00::1", "fd00::2", 5000, 53, TcpFlags.Syn))));
        Assert.False(ExitPolicy.IsResolverQuery(PacketBuilder.Parse(PacketBuilder.Udp("100.64.0.1", "100.64.0.2", 53, 5000))));
        Assert.False(ExitPolicy.IsResolverQuery(PacketBuilder.Parse(PacketBuilder.Echo("100.64.0.1", "100.64.0.2"))));
    }
}
