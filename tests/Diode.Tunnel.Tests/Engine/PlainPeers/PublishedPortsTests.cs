using System.Net;
using Diode.Tunnel.Engine.Filtering;
using Diode.Tunnel.Engine.PlainPeers;
using Diode.Tunnel.Ethereum;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.PlainPeers;

public sealed class PublishedPortsTests
{
    private static readonly Address Member = Address.Parse("0x1111111111111111111111111111111111111111");
    private static readonly Address Friend = Address.Parse("0x2222222222222222222222222222222222222222");
    private static readonly Address Stranger = Address.Parse("0x3333333333333333333333333333333333333333");
    private static readonly Address Fleet = Address.Parse("0xffffffffffffffffffffffffffffffffffffffff");
    private static readonly string StrangerHex = Stranger.ToString()[2..];

    [Theory]
    [InlineData(PortProtocol.Tls)]
    [InlineData(PortProtocol.Tcp)]
    [InlineData(PortProtocol.Udp)]
    public void Public_ports_are_for_everybody_in_every_form(PortProtocol protocol)
    {
        PublishedPorts ports = Make((PublishMode.Public, "8080:80"));
        Assert.Equal(PortDecision.Accept("localhost", 8080), ports.Decide(Stranger, new PortName(protocol, 80)));
        Assert.Equal("port was not published", ports.Decide(Stranger, new PortName(protocol, 8080)).Refusal);
    }

    [Fact]
    public void The_protocol_must_match_unless_any()
    {
        PublishedPorts ports = Make((PublishMode.Public, "22:22:tls"), (PublishMode.Public, "23:23:tcp"), (PublishMode.Public, "53:53:udp"));
        foreach ((ushort number, PortProtocol right) in new[] { ((ushort)22, PortProtocol.Tls), ((ushort)23, PortProtocol.Tcp), ((ushort)53, PortProtocol.Udp) })
        {
            foreach (PortProtocol protocol in new[] { PortProtocol.Tls, PortProtocol.Tcp, PortProtocol.Udp })
            {
                Assert.Equal(
                    protocol == right ? null : "port was not published", ports.Decide(Stranger, new PortName(protocol, number)).Refusal);
            }
        }

        Assert.Null(ports.Decide(Stranger, new PortName(PortProtocol.Tcp, 23, IsLegacy: true)).Refusal);
    }

    [Fact]
    public void Private_ports_are_for_addresses_and_names()
    {
        PublishedPorts ports = Make((PublishMode.Private, $"22,{Friend},themember"));
        Assert.Null(ports.Decide(Friend, new PortName(PortProtocol.Tls, 22)).Refusal);
        Assert.Null(ports.Decide(Member, new PortName(PortProtocol.Tls, 22)).Refusal);
        Assert.Equal($"device {StrangerHex} is not in the Allowlist (2)", ports.Decide(Stranger, new PortName(PortProtocol.Tls, 22)).Refusal);
    }

    [Theory]
    [InlineData("22", false)]
    [InlineData("22,0xffffffffffffffffffffffffffffffffffffffff", false)]
    [InlineData("22,0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee,themember", false)]
    [InlineData("22,0x6000000000000000000000000000000000000000", true)]
    public void Protected_ports_are_for_fleets(string text, bool everybody)
    {
        PublishedPorts ports = Make((PublishMode.Protected, text));
        Assert.Null(ports.Decide(Member, new PortName(PortProtocol.Tls, 22)).Refusal);
        Assert.Equal(
            everybody ? null : $"device {StrangerHex} is not in the Allowlist (2)", ports.Decide(Stranger, new PortName(PortProtocol.Tls, 22)).Refusal);
    }

    [Fact]
    public void The_block_list_comes_first_and_puts_the_allow_list_out_of_use()
    {
        PublishedPorts both = Make(blocked: [Stranger], allowed: [Friend]);
        Assert.Equal($"device {StrangerHex} is on the block list", both.Decide(Stranger, new PortName(PortProtocol.Tls, 80)).Refusal);
        Assert.Null(both.Decide(Member, new PortName(PortProtocol.Tls, 80)).Refusal);

        PublishedPorts allow = Make(blocked: [], allowed: [Friend]);
        Assert.Null(allow.Decide(Friend, new PortName(PortProtocol.Tls, 80)).Refusal);
        Assert.Equal($"device {StrangerHex} is not in the allow list", allow.Decide(Stranger, new PortName(PortProtocol.Tls, 80)).Refusal);
    }

    [Fact]
    public void Tunnel_rules_lead_to_the_virtual_address_and_want_proof_of_who_it_is()
    {
        Assert.True(PublishRules.TryParse("22 to fleet\n80 to public\n90 to 0x2222222222222222222222222222222222222222", out PublishRules? rules, out _));
        PublishedPorts ports = new PublishedPorts
        {
            Rules = rules.Resolve(_ => []),
            IsMember = (device, _) => device == Member,
            VirtualAddress = IPAddress.Parse("100.64.1.2"),
        }.Index();
        Assert.Equal(PortDecision.Accept("100.64.1.2", 22), ports.Decide(Member, new PortName(PortProtocol.Tls, 22)));
        Assert.Equal("port was not published", ports.Decide(Member, new PortName(PortProtocol.Tcp, 22)).Refusal);
        Assert.Equal("port was not published", ports.Decide(Member, new PortName(PortProtocol.Udp, 22)).Refusal);
        Assert.Equal("port was not published", ports.Decide(Stranger, new PortName(PortProtocol.Tls, 22)).Refusal);
        Assert.Null(ports.Decide(Friend, new PortName(PortProtocol.Tls, 90)).Refusal);
        Assert.Null(ports.Decide(Stranger, new PortName(PortProtocol.Tcp, 80)).Refusal);
        Assert.Null(ports.Decide(Stranger, new PortName(PortProtocol.Udp, 80)).Refusal);
    }

    [Fact]
    public void Attempts_are_counted_for_each_device_and_in_all()
    {
        ConnectionAttempts attempts = new(maxOpening: 2, maxOpen: 3, maxTotal: 5);
        Assert.True(attempts.TryBegin(Member));
        Assert.True(attempts.TryBegin(Member));
        Assert.False(attempts.TryBegin(Member));
        attempts.Opened(Member);
        Assert.True(attempts.TryBegin(Member));
        attempts.Opened(Member);
        Assert.False(attempts.TryBegin(Member));
        Assert.True(attempts.TryBegin(Friend));
        Assert.True(attempts.TryBegin(Friend));
        Assert.False(attempts.TryBegin(Stranger));
        attempts.End(Member, wasOpen: true);
        Assert.True(attempts.TryBegin(Stranger));
        attempts.End(Stranger, wasOpen: false);
        attempts.End(Friend, wasOpen: false);
        attempts.End(Friend, wasOpen: false);
        attempts.End(Member, wasOpen: false);
        attempts.End(Member, wasOpen: true);
        Assert.Equal(0, attempts.Total);
        attempts.End(Member, wasOpen: true);
        Assert.Equal(0, attempts.Total);
    }

    private static PublishedPorts Make(params (PublishMode Mode, string Text)[] definitions)
    {
        return Make([], [], definitions);
    }

    private static PublishedPorts Make(Address[] blocked, Address[] allowed, params (PublishMode Mode, string Text)[] definitions)
    {
        if (definitions.Length == 0)
        {
            definitions = [(PublishMode.Public, "80")];
        }

        return new PublishedPorts
        {
            Definitions = [.. definitions.SelectMany(d =>
            {
                Assert.True(PortDefinition.TryParse(d.Mode, d.Text, out PortDefinition? definition, out string? problem), problem);
                return definition.Split();
            })],
            Blocked = blocked.ToHashSet(),
            Allowed = allowed.ToHashSet(),
            IsMember = (device, fleet) => device == Member && fleet is not { } one ? true : device == Member && fleet == Fleet,
            Lookup = name => name == "themember" ? [Member] : [],
        }.Index();
    }
}
