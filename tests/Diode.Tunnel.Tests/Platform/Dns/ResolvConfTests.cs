using System.Net;
using Diode.Tunnel.Platform.Dns;
using Xunit;

namespace Diode.Tunnel.Tests.Platform.Dns;

public sealed class ResolvConfTests
{
    private static readonly IPAddress[] Ours = [IPAddress.Parse("100.100.100.100"), IPAddress.Parse("fd01::53")];

    [Fact]
    public void Name_servers_are_read_out_of_any_style()
    {
        const string Text = "# comment\nnameserver 10.0.0.1\n\tnameserver\t10.0.0.2 # office\r\nnameserver 10.0.0.1\n"
            + "nameserverx 1.1.1.1\n;nameserver 9.9.9.9\nnameserver fe80::1%3\nnameserver 2001:db8::1\nnameserver bad\nnameserver\n";

        Assert.Equal(
            ["10.0.0.1", "10.0.0.2", "fe80::1%3", "2001:db8::1"],
            ResolvConf.ReadUpstreams(Text).Select(server => server.ToString()));
    }

    [Fact]
    public void Our_text_asks_us_and_keeps_search_and_options()
    {
        string text = ResolvConf.Write(Ours, "search a.example b.example\noptions ndots:2\nsortlist 1\nnameserver 10.0.0.1\nnameserver 100.100.100.100\n");

        Assert.True(ResolvConf.IsOurs(text));
        Assert.Equal(Ours, ResolvConf.ReadNameServers(text));
        Assert.Equal([IPAddress.Parse("10.0.0.1")], ResolvConf.ReadUpstreams(text));
        Assert.Contains("\nsearch a.example b.example\noptions ndots:2\n", text, StringComparison.Ordinal);
        Assert.DoesNotContain("sortlist", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Writing_over_our_own_text_keeps_the_first_upstreams()
    {
        string first = ResolvConf.Write(Ours, "nameserver 10.0.0.1\n");

        Assert.Equal(first, ResolvConf.Write(Ours, first));
        Assert.Equal("nameserver 10.0.0.1\n", ResolvConf.WithoutUs(first));
        Assert.Null(ResolvConf.WithoutUs(ResolvConf.Write(Ours, null)));
    }

    [Fact]
    public void Mutated_text_never_throws()
    {
        string seed = "search x\nnameserver 10.0.0.1\nnameserver 2001:db8::1\noptions edns0\n";
        seed += ResolvConf.Write(Ours, seed);
        Random random = new(5);
        char[] buffer = new char[seed.Length];
        for (int i = 0; i < 100_000; i++)
        {
            seed.CopyTo(0, buffer, 0, buffer.Length);
            for (int n = random.Next(1, 6); n > 0; n--)
            {
                buffer[random.Next(buffer.Length)] = (char)random.Next(random.Next(2) == 0 ? 128 : 0x10000);
            }

            string text = new(buffer, 0, random.Next(buffer.Length + 1));
            _ = ResolvConf.ReadUpstreams(text);
            Assert.True(ResolvConf.IsOurs(ResolvConf.Write(Ours, text)));
        }
    }
}
