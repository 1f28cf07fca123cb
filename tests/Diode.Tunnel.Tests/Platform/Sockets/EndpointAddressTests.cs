using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Diode.Tunnel.Platform.Sockets;
using Xunit;

namespace Diode.Tunnel.Tests.Platform.Sockets;

public sealed class EndpointAddressTests
{
    [Theory]
    [InlineData("192.0.2.7:1")]
    [InlineData("[2001:db8::7]:65535")]
    [InlineData("[fe80::1%3]:51820")]
    public void Every_form_round_trips(string text)
    {
        Assert.True(EndpointAddress.TryParse(text, out EndpointAddress endpoint));
        Assert.Equal(IPEndPoint.Parse(text), endpoint.ToEndPoint());
        Assert.Equal(text, endpoint.ToString());
        byte[] sockaddr = new byte[EndpointAddress.MaxSockaddrLength];
        Assert.True(endpoint.TryWriteTo(endpoint.Family, sockaddr, out int length));
        Assert.True(EndpointAddress.TryFromSockaddr(sockaddr.AsSpan(0, length), out EndpointAddress again));
        Assert.Equal(endpoint, again);
        Assert.Equal(endpoint.GetHashCode(), again.GetHashCode());
        Assert.NotEqual(endpoint, endpoint.WithPort(2));
    }

    [Fact]
    public void The_socket_address_is_the_one_of_the_system()
    {
        foreach (string text in new[] { "192.0.2.7:513", "[2001:db8::7]:513" })
        {
            IPEndPoint expected = IPEndPoint.Parse(text);
            SocketAddress system = expected.Serialize();
            Assert.True(EndpointAddress.TryFrom(expected, out EndpointAddress endpoint));
            byte[] sockaddr = new byte[EndpointAddress.MaxSockaddrLength];
            Assert.True(endpoint.TryWriteTo(expected.AddressFamily, sockaddr, out int length));
            Assert.Equal(system.Buffer.Span[..system.Size], sockaddr.AsSpan(0, length));
        }
    }

    [Fact]
    public void Ipv4_in_ipv6_is_ipv4_and_becomes_ipv6_for_a_dual_mode_socket()
    {
        Assert.True(EndpointAddress.TryFrom(new IPEndPoint(IPAddress.Parse("::ffff:192.0.2.7"), 5), out EndpointAddress mapped));
        Assert.True(EndpointAddress.TryParse("192.0.2.7:5", out EndpointAddress plain));
        Assert.Equal(plain, mapped);
        Assert.True(mapped.IsIpv4);
        byte[] sockaddr = new byte[EndpointAddress.MaxSockaddrLength];
        Assert.True(plain.TryWriteTo(AddressFamily.InterNetworkV6, sockaddr, out int length));
        Assert.Equal(EndpointAddress.MaxSockaddrLength, length);
        Assert.True(EndpointAddress.TryFromSockaddr(sockaddr, out EndpointAddress back));
        Assert.Equal(plain, back);
    }

    [Fact]
    public void What_is_no_address_is_refused()
    {
        byte[] sockaddr = new byte[EndpointAddress.MaxSockaddrLength];
        Assert.False(EndpointAddress.TryFromSockaddr(default, out _));
        Assert.False(EndpointAddress.TryFromSockaddr(new byte[16], out _));
        Assert.False(EndpointAddress.TryCreate(new byte[5], 1, out EndpointAddress none));
        Assert.False(EndpointAddress.TryFrom(null, out _));
        Assert.False(EndpointAddress.TryParse("relay.example:1", out _));
        Assert.False(none.IsSet);
        Assert.False(none.TryWriteTo(AddressFamily.InterNetworkV6, sockaddr, out _));
        Assert.True(EndpointAddress.TryParse("[::1]:5", out EndpointAddress six));
        Assert.False(six.TryWriteTo(AddressFamily.InterNetwork, sockaddr, out _));
        Assert.Equal("none", none.ToString());
        Assert.True(Unsafe.SizeOf<EndpointAddress>() <= 28);
    }
}
