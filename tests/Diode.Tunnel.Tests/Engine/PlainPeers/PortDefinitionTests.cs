using System.Text;
using Diode.Tunnel.Engine.PlainPeers;
using Diode.Tunnel.Testing;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.PlainPeers;

public sealed class PortDefinitionTests
{
    private const string A = "0x1111111111111111111111111111111111111111";
    private const string Expected = "port format expected (<from_ip>:)<from_port>(:<to_port>:<protocol>) or <address> but got: ";

    [Theory]
    [InlineData("8080", "localhost", 8080, 8080, PortProtocol.Any)]
    [InlineData("8080:80", "localhost", 8080, 80, PortProtocol.Any)]
    [InlineData("8080:", "localhost", 8080, 8080, PortProtocol.Any)]
    [InlineData("8080::", "localhost", 8080, 8080, PortProtocol.Any)]
    [InlineData("8080::tls", "localhost", 8080, 8080, PortProtocol.Tls)]
    [InlineData("8080:80:", "localhost", 8080, 80, PortProtocol.Any)]
    [InlineData("8080:80:tcp", "localhost", 8080, 80, PortProtocol.Tcp)]
    [InlineData("53:53:udp", "localhost", 53, 53, PortProtocol.Udp)]
    [InlineData(" 22:22:tls ", "localhost", 22, 22, PortProtocol.Tls)]
    [InlineData("65535:1", "localhost", 65535, 1, PortProtocol.Any)]
    [InlineData("192.168.1.5:80", "192.168.1.5", 80, 80, PortProtocol.Any)]
    [InlineData("192.168.1.5:80:8080:tcp", "192.168.1.5", 80, 8080, PortProtocol.Tcp)]
    [InlineData("host.example:80:8080", "host.example", 80, 8080, PortProtocol.Any)]
    [InlineData("[fe80::1%eth0]:80:8080", "fe80::1%eth0", 80, 8080, PortProtocol.Any)]
    [InlineData("[::1]:80", "::1", 80, 80, PortProtocol.Any)]
    [InlineData("2001:db8::1:80:8080:tcp", "2001:db8::1", 80, 8080, PortProtocol.Tcp)]
    [InlineData("::1:8080:80", "", 0, 0, PortProtocol.Any)] // ambiguous without brackets
    [InlineData("fe80::abcd:22", "fe80::abcd", 22, 22, PortProtocol.Any)]
    public void Reads_ports(string text, string host, int source, int destination, PortProtocol protocol)
    {
        bool read = PortDefinition.TryParse(PublishMode.Public, text, out PortDefinition? definition, out string? problem);
        if (source == 0)
        {
            Assert.False(read);
            Assert.StartsWith(Expected, problem, StringComparison.Ordinal);
            return;
        }

        Assert.True(read, problem);
        PortMapping port = Assert.Single(definition!.Ports);
        Assert.Equal(new PortMapping(host, (ushort)source, (ushort)destination, protocol), port);
        Assert.True(PortDefinition.TryParse(PublishMode.Public, definition.ToString(), out PortDefinition? again, out _));
        Assert.Equal(definition.Ports.ToArray(), again.Ports.ToArray());
    }

    [Theory]
    [InlineData("")]
    [InlineData("0")]
    [InlineData("0:80")]
    [InlineData("65536")]
    [InlineData("80:65536")]
    [InlineData("80:0")]
    [InlineData("1234567")] // digits are a port, never a name
    [InlineData("80:80:sctp")]
    [InlineData("80:80:tcp:x")]
    [InlineData("-80")]
    [InlineData("+80")]
    [InlineData("localhost:80")] // a host needs a dot
    [InlineData("[192.168.1.5]:80")]
    [InlineData("[::1:80")]
    [InlineData("::1:8080:80")]
    [InlineData("name.diode")]
    [InlineData("short")]
    [InlineData("UPPERCASE")]
    [InlineData("a-name-that-is-longer-than-32-chars")]
    [InlineData("0x11")]
    [InlineData("٨٠:80")]
    public void Refuses_what_is_no_segment(string segment)
    {
        Assert.False(PortDefinition.TryParse(PublishMode.Private, "22:22,devicename," + segment, out _, out string? problem));
        Assert.Equal(Expected + segment, problem);
    }

    [Theory]
    [InlineData(PublishMode.Public, "80," + A, "public port publishing does not support providing addresses")]
    [InlineData(PublishMode.Public, "80,mydevice", "public port publishing does not support providing addresses")]
    [InlineData(PublishMode.Private, "80", "private port publishing requires providing at least one address or name")]
    [InlineData(PublishMode.Protected, "80,name-01,name-02,name-03,name-04,name-05,name-06", "protected port publishing supports at most 5 addresses and 5 names")]
    [InlineData(PublishMode.Public, "80:80,8080:80", "port 80 is published twice")]
    [InlineData(PublishMode.Private, A, "no port to publish: for example 8080:80")]
    public void Refuses_with_the_reason(PublishMode mode, string text, string reason)
    {
        Assert.False(PortDefinition.TryParse(mode, text, out _, out string? problem));
        Assert.Equal(reason, problem);
    }

    [Fact]
    public void Ports_of_one_definition_share_the_list()
    {
        Assert.True(PortDefinition.TryParse(
            PublishMode.Private, $"22:22:tls,8080:80,{A},mydevice,{A}", out PortDefinition? definition, out _));
        PortDefinition[] parts = [.. definition.Split()];
        Assert.Equal(2, parts.Length);
        Assert.All(parts, p => Assert.Equal(A, Assert.Single(p.Addresses).ToString()));
        Assert.All(parts, p => Assert.Equal("mydevice", Assert.Single(p.Names)));
        Assert.Equal($"8080:80,{A},mydevice", parts[1].ToString());
    }

    [Theory]
    [InlineData("tcp:80", PortProtocol.Tcp, 80, false)]
    [InlineData("tls:443", PortProtocol.Tls, 443, false)]
    [InlineData("udp:65535", PortProtocol.Udp, 65535, false)]
    [InlineData("\0P", PortProtocol.Tcp, 80, true)]
    [InlineData("P", PortProtocol.Tcp, 80, true)]
    [InlineData("\x01\xbb", PortProtocol.Tcp, 443, true)]
    public void Reads_port_names(string name, PortProtocol protocol, int number, bool legacy)
    {
        Assert.True(PortName.TryRead(Encoding.Latin1.GetBytes(name), out PortName port));
        Assert.Equal(new PortName(protocol, (ushort)number, legacy), port);
        Assert.True(PortName.TryRead(port.ToBytes(), out PortName again));
        Assert.Equal(port, again);
    }

    [Theory]
    [InlineData("")]
    [InlineData("\0")]
    [InlineData("\0\0")]
    [InlineData("tcp:")]
    [InlineData("tcp:0")]
    [InlineData("tcp:65536")]
    [InlineData("tcp: 80")]
    [InlineData("tcp:-1")]
    [InlineData("tcp:80x")]
    [InlineData("TCP:80")]
    [InlineData("\x04\xe5\x9a")] // the LAN short-cut of the Elixir client
    [InlineData("sctp:80")]
    public void Refuses_other_names(string name)
    {
        Assert.False(PortName.TryRead(Encoding.Latin1.GetBytes(name), out _));
    }

    [Fact]
    public void Damaged_texts_never_throw()
    {
        var mutator = new InputMutator(
            7,
            [.. new[] { "8080:80,[fe80::1%eth0]:80:90:udp," + A + ",mydevice", "192.168.1.5:80:8080:tcp", "tls:443" }.Select(Encoding.Latin1.GetBytes)]);
        for (int i = 0; i < 100_000; i++)
        {
            ReadOnlySpan<byte> damaged = mutator.Next();
            PortName.TryRead(damaged, out _);
            if (PortDefinition.TryParse((PublishMode)(i % 3), Encoding.Latin1.GetString(damaged), out PortDefinition? definition, out _))
            {
                Assert.True(PortDefinition.TryParse(definition.Mode, definition.ToString(), out _, out string? problem), $"{definition}: {problem}");
            }
        }
    }
}
