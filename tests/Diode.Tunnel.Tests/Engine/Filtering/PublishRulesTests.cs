using Diode.Tunnel.Engine.Filtering;
using Diode.Tunnel.Engine.Packets;
using Diode.Tunnel.Ethereum;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.Filtering;

public class PublishRulesTests
{
    private static readonly Address Alice = Address.Parse("0x00000000000000000000000000000000000000a1");
    private static readonly Address Bob = Address.Parse("0x00000000000000000000000000000000000000b0");

    [Theory]
    [InlineData("22", 0, 22, 22)]
    [InlineData("80/tcp", 6, 80, 80)]
    [InlineData("53/udp", 17, 53, 53)]
    [InlineData("8000-8010/tcp", 6, 8000, 8010)]
    [InlineData("all", 0, 0, 0)]
    public void Ports_are_read_and_written(string text, byte protocol, ushort first, ushort last)
    {
        Assert.True(PublishPort.TryParse(text, out PublishPort port));
        Assert.Equal(new PublishPort(protocol, first, last), port);
        Assert.Equal(text, port.ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("0")]
    [InlineData("65536")]
    [InlineData("-1")]
    [InlineData("22/")]
    [InlineData("22/sctp")]
    [InlineData("/tcp")]
    [InlineData("10-5")]
    [InlineData("1-2-3")]
    [InlineData("ALL")]
    [InlineData("all/tcp")]
    [InlineData("ssh")]
    [InlineData("2 2")]
    public void Other_ports_are_refused(string text)
    {
        Assert.False(PublishPort.TryParse(text, out _));
    }

    [Fact]
    public void Targets_are_read_and_bad_ones_named()
    {
        Assert.True(PublishRule.TryParse("22/tcp", ["fleet", $"{Alice},laptop.home.diode", "public"], out PublishRule? rule, out _));
        Assert.Equal($"22/tcp to fleet,{Alice},laptop.home,public", rule.ToString());
        foreach (string bad in new[] { "", "a b", "Laptop", "-x", "a..b", "0x" + new string('0', 40), ".diode", "fleet.diode", "x,,y", new('a', 64) })
        {
            Assert.False(PublishRule.TryParse("22", [bad], out _, out string? problem), bad);
            Assert.Contains("is nobody", problem, StringComparison.Ordinal);
        }

        Assert.False(PublishRule.TryParse("22", [], out _, out string? nobody));
        Assert.Contains("--to fleet", nobody, StringComparison.Ordinal);
        Assert.False(PublishRule.TryParse(null, ["fleet"], out _, out string? port));
        Assert.Contains("is not a port", port, StringComparison.Ordinal);
        Assert.False(PublishRule.TryParse("22", Enumerable.Range(0, 65).Select(i => $"d{i}"), out _, out string? many));
        Assert.Contains("at most 64", many, StringComparison.Ordinal);
    }

    [Fact]
    public void Text_form_round_trips_and_names_the_bad_line()
    {
        const string text = "# services\n22/tcp to fleet\r\n\n  53/udp to laptop , public # dns\nall to work\n22/tcp to public\n";
        Assert.True(PublishRules.TryParse(text, out PublishRules? rules, out _));
        Assert.Equal("22/tcp to public\n53/udp to laptop,public\nall to work\n", rules.ToString());
        Assert.True(PublishRules.TryParse(rules.ToString(), out PublishRules? again, out _));
        Assert.Equal(rules.ToString(), again.ToString());
        Assert.False(PublishRules.TryParse("22 to fleet\n\n23 for fleet", out _, out string? problem));
        Assert.StartsWith("line 3: expected PORT to TARGET", problem, StringComparison.Ordinal);
        Assert.False(PublishRules.TryParse("99999 to fleet", out _, out problem));
        Assert.StartsWith("line 1: '99999' is not a port", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_removes_both_protocols_of_a_bare_port()
    {
        Assert.True(PublishRules.TryParse("22/tcp to fleet\n22/udp to fleet\n23 to fleet\nall to public\n", out PublishRules? rules, out _));
        Assert.Equal(2, rules.Without(new PublishPort(0, 22, 22)).Rules.Length);
        Assert.Equal(3, rules.Without(new PublishPort(IpProtocol.Tcp, 22, 22)).Rules.Length);
        Assert.Equal(3, rules.Without(PublishPort.All).Rules.Length);
        Assert.Same(rules, rules.Without(new PublishPort(0, 9, 9)));
    }

    [Fact]
    public void Policy_allows_exactly_what_is_written()
    {
        Assert.True(PublishRules.TryParse(
            $"22/tcp to fleet\n53 to public\n80-90/tcp to {Alice}\n443/tcp to work\n", out PublishRules? rules, out _));
        PublishPolicy policy = rules.Resolve(name => name == "work" ? [Bob] : []);
        var alice = new FilterPeer(1, Alice, false);
        var bob = new FilterPeer(2, Bob, true);
        Assert.True(policy.Allows(bob, IpProtocol.Tcp, true, 22));
        Assert.False(policy.Allows(bob, IpProtocol.Udp, true, 22));
        Assert.False(policy.Allows(alice, IpProtocol.Tcp, true, 22));
        Assert.True(policy.Allows(alice, IpProtocol.Udp, true, 53) && policy.Allows(alice, IpProtocol.Tcp, true, 53));
        Assert.True(policy.Allows(alice, IpProtocol.Tcp, true, 80) && policy.Allows(alice, IpProtocol.Tcp, true, 90));
        Assert.False(policy.Allows(alice, IpProtocol.Tcp, true, 91) || policy.Allows(bob, IpProtocol.Tcp, true, 85));
        Assert.True(policy.Allows(bob, IpProtocol.Tcp, true, 443));
        Assert.False(policy.Allows(alice, IpProtocol.Tcp, true, 443));
        Assert.False(policy.Allows(bob, 47, false, 0));
        Assert.False(PublishPolicy.Nothing.Allows(bob, IpProtocol.Tcp, true, 22));
    }

    [Fact]
    public void Mutated_texts_never_throw_and_what_is_read_reads_again()
    {
        var random = new Random(4);
        string good = $"22/tcp to fleet\n53/udp to {Alice},laptop.home\n8000-8010 to public # web\nall to work\n";
        const string alphabet = "0123456789abcdefx/-,.# \n\r\ttoudpcl\u00e9\ud800\0";
        int accepted = 0;
        for (int i = 0; i < 100_000; i++)
        {
            char[] text = good.ToCharArray();
            for (int n = random.Next(1, 4); n > 0; n--)
            {
                text[random.Next(text.Length)] = alphabet[random.Next(alphabet.Length)];
            }

            if (PublishRules.TryParse(new string(text, 0, random.Next(4) == 0 ? random.Next(text.Length) : text.Length), out PublishRules? rules, out string? problem))
            {
                accepted++;
                Assert.True(i % 16 != 0 || (PublishRules.TryParse(rules.ToString(), out PublishRules? again, out _) && again.ToString() == rules.ToString()));
            }
            else
            {
                Assert.StartsWith("line ", problem, StringComparison.Ordinal);
            }
        }

        Assert.InRange(accepted, 1_000, 99_000);
    }
}
