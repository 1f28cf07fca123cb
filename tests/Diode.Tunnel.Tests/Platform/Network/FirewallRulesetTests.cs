using System.Net;
using Diode.Tunnel.Platform.Network;
using Xunit;

namespace Diode.Tunnel.Tests.Platform.Network;

public sealed class FirewallRulesetTests
{
    [Fact]
    public void The_exit_denies_every_private_range_before_it_forwards()
    {
        string body = FirewallExitRuleset.Build(new FirewallExitOptions { AdapterName = "diode0" });

        foreach (string prefix in new[]
        {
            "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8", "0.0.0.0/8",
            "224.0.0.0/4", "240.0.0.0/4", "fc00::/7", "fe80::/10", "ff00::/8", "::/96",
        })
        {
            Assert.Contains(prefix, body, StringComparison.Ordinal);
        }

        InOrder(body, "ip daddr @denied4", "ct mark set");
        InOrder(body, "ip6 daddr @denied6", "ct mark set");
        InOrder(body, "iifname \"diode0\" oifname \"diode0\" counter name denied drop", "iifname \"diode0\" jump from_clients");
        InOrder(body, "chain from_clients", "meta nfproto ipv6 counter name denied reject");
        Assert.Contains("ct mark 0x0d10def0 meta nfproto ipv4 masquerade", body, StringComparison.Ordinal);
        Assert.DoesNotContain("dport { 53 }", body, StringComparison.Ordinal);
    }

    [Fact]
    public void The_exit_opens_only_named_ports_of_its_virtual_addresses()
    {
        FirewallExitOptions options = new()
        {
            AdapterName = "diode0",
            EgressInterface = "eth7",
            HasIpv6 = true,
            VirtualAddresses = [IPAddress.Parse("100.64.1.1"), IPAddress.Parse("fd01::1")],
            DeniedPrefixes = [IPNetwork.Parse("203.0.113.0/24")],
        };
        string body = FirewallExitRuleset.Build(options);

        Assert.Contains("ip daddr { 100.64.1.1 } udp dport { 53 } accept", body, StringComparison.Ordinal);
        Assert.Contains("ip6 daddr { fd01::1 } tcp dport { 53 } accept", body, StringComparison.Ordinal);
        Assert.Contains("oifname != \"eth7\" counter name denied reject", body, StringComparison.Ordinal);
        Assert.Contains("203.0.113.0/24", body, StringComparison.Ordinal);
        Assert.DoesNotContain("nfproto", body, StringComparison.Ordinal);
        Assert.Contains(
            "ip daddr { 100.64.1.1 } accept",
            FirewallExitRuleset.Build(options with { TrustsPacketFilter = true }),
            StringComparison.Ordinal);
    }

    [Fact]
    public void The_guard_refuses_names_before_it_allows_the_local_network()
    {
        string body = FirewallGuardRuleset.Build(new FirewallGuardOptions
        {
            AdapterName = "diode0",
            LanPrefixes = [IPNetwork.Parse("192.168.7.0/24"), IPNetwork.Parse("192.168.0.0/16"), IPNetwork.Parse("fe80::/10")],
            MeshPrefixes = [IPNetwork.Parse("fd01::/48")],
            VirtualAddresses = [IPAddress.Parse("100.64.1.1")],
        });

        InOrder(body, "hook output priority filter; policy drop;", "oifname \"lo\" accept");
        InOrder(body, "meta mark & 0xffffff00 == 0x0d10de00", "udp dport { 53, 853 }");
        InOrder(body, "oifname \"diode0\" ip6 daddr fd01::/48 accept", "oifname \"diode0\" meta nfproto ipv6 counter reject");
        InOrder(body, "tcp dport { 53, 853 }", "ip daddr { 192.168.0.0/16 } accept");
        Assert.DoesNotContain("192.168.7.0/24", body, StringComparison.Ordinal);
        Assert.Contains("iifname != { \"diode0\", \"lo\" } ip daddr { 100.64.1.1 } counter drop", body, StringComparison.Ordinal);
        Assert.Equal(2, body.Split("policy drop").Length - 1);
    }

    [Fact]
    public void A_guard_without_adapter_lets_only_the_underlay_out()
    {
        TableChange change = FirewallGuardRuleset.ToChange(new FirewallGuardOptions { HasIpv6 = true });

        Assert.True(change.SurvivesCrash);
        Assert.Equal("diode_tunnel_guard", change.Name);
        Assert.DoesNotContain("iifname", change.Body, StringComparison.Ordinal);
        Assert.Equal(["oifname \"lo\" accept"], change.Body.Split('\n').Select(l => l.Trim()).Where(l => l.StartsWith("oifname", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("a\"b")]
    [InlineData("a b")]
    [InlineData("abcdefghijklmnop")]
    public void An_interface_name_cannot_break_out_of_its_quotes(string name) =>
        Assert.Throws<ArgumentException>(() => FirewallGuardRuleset.Build(new FirewallGuardOptions { AdapterName = name }));

    [Fact]
    public void A_table_is_replaced_in_one_transaction()
    {
        Assert.Equal(
            "table inet t\ndelete table inet t\ntable inet t {\nbody\n}\n",
            Nftables.ReplaceText(new TableChange("inet", "t", "body")));
        Assert.ThrowsAny<Exception>(() => Nftables.ReplaceText(new TableChange("inet", "t; flush ruleset", "")));
        Assert.ThrowsAny<Exception>(() => Nftables.ReplaceText(new TableChange("bridge", "t", "")));
    }

    private static void InOrder(string text, string first, string second)
    {
        int a = text.IndexOf(first, StringComparison.Ordinal);
        int b = text.IndexOf(second, StringComparison.Ordinal);
        Assert.True(a >= 0 && b > a, $"'{first}' must stand before '{second}' in\n{text}");
    }
}
