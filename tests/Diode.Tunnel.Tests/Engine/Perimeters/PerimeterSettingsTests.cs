using Diode.Tunnel.Engine.Perimeters;
using Diode.Tunnel.Engine.PlainPeers;
using Diode.Tunnel.Ethereum;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.Perimeters;

public sealed class PerimeterSettingsTests
{
    private const string Device = "0x2222222222222222222222222222222222222222";
    private const string Fleet = "0x4444444444444444444444444444444444444444";

    [Fact]
    public void Every_token_is_a_definition_of_its_own()
    {
        PerimeterSettings settings = Read(
            ("public", "8080:80 9090,9091\t192.168.1.5:443:443:tls"), ("private", $"22:22:tls,{Device},some-device"), ("protected", $"5900 5901,{Device}"), ("fleet", Fleet));
        Assert.Empty(settings.Warnings);
        Assert.Equal(
            [
                $"Private 22:22:tls,{Device},some-device", $"Protected 5900:5900,{Fleet}", $"Protected 5901:5901,{Device}", "Public 8080:80", "Public 9090:9090",
                "Public 9091:9091", "Public 192.168.1.5:443:443:tls",
            ],
            settings.Ports.Select(static p => $"{p.Mode} {p}"));
    }

    /// <summary>Without a fleet of its own the perimeter lets in whom this device's fleets let in, not everybody.</summary>
    [Theory]
    [InlineData("")]
    [InlineData("0x6000000000000000000000000000000000000000")]
    [InlineData("0x60")]
    [InlineData("my-first-name.diode")]
    public void Protected_never_means_everybody(string fleet)
    {
        PerimeterSettings settings = Read(("protected", "5900"), ("fleet", fleet));
        Assert.Null(settings.Fleet);
        Assert.Equal("5900:5900", Assert.Single(settings.Ports).ToString());
        Assert.Equal(fleet.Length is 0 or 42 ? [] : [$"fleet: '{fleet}' is no address of a contract"], settings.Warnings);
    }

    [Fact]
    public void Of_a_port_named_twice_the_stricter_counts()
    {
        PerimeterSettings settings = Read(("public", "80 81 81"), ("protected", "80"), ("private", $"80,{Device}"));
        Assert.Equal([$"Private 80:80,{Device}", "Public 81:81"], settings.Ports.Select(static p => $"{p.Mode} {p}"));
        Assert.Equal(3, settings.Warnings.Count(static w => w.Contains("published twice", StringComparison.Ordinal)));
    }

    [Fact]
    public void What_is_not_in_form_is_left_out_and_named()
    {
        PerimeterSettings settings = Read(
            ("public", $"0 70000 80,{Device} 41042 8080"), ("private", "22"), ("bind", $"8000:{Device}:80,8000:{Device}:81 x {Device}:1"),
            ("diodeaddrs", $"diode://{Device}@relay.example, relay.example:41046 diode://0x1@h"), ("wireguard", "nonsense"), ("extra_config", "[1]"), ("debug", "maybe"));
        Assert.Equal("8080:8080", Assert.Single(settings.Ports).ToString());
        Assert.Equal($"8000:{Device}:80:tls", Assert.Single(settings.Binds).ToString());
        Assert.Equal($"diode://{Device}@relay.example:41046", Assert.Single(settings.Relays).ToString());
        Assert.Null(settings.WireGuard);
        foreach ((string key, int count) in new[] { ("public", 4), ("private", 1), ("bind", 3), ("diodeaddrs", 2), ("wireguard", 1), ("extra_config", 1), ("debug", 1) })
        {
            Assert.Equal(count, settings.Warnings.Count(w => w.StartsWith(key + ": ", StringComparison.Ordinal)));
        }
    }

    [Fact]
    public void What_this_program_does_not_have_is_named()
    {
        PerimeterSettings settings = Read(
            ("sshd", $"private:22:root,{Device}"), ("socksd", "true"), ("debug", "1"), ("extra_config", """{"a":1,"b":null,"c":{}}"""));
        Assert.Equal(
            ["extra_config", "extra_config", "sshd", "socksd", "debug"], settings.Warnings.Select(static w => w[..w.IndexOf(':', StringComparison.Ordinal)]));
        Assert.Empty(Read(("socksd", "false"), ("debug", ""), ("extra_config", "{}"), ("sshd", " ")).Warnings);
    }

    [Fact]
    public void A_contract_cannot_set_any_number_of_things()
    {
        PerimeterSettings settings = Read(
            ("public", string.Join(' ', Enumerable.Range(1, 2000))),
            ("bind", string.Join(' ', Enumerable.Range(1, 2000).Select(static i => $"{i}:{Device}:80"))),
            ("diodeaddrs", string.Join(' ', Enumerable.Range(1, 500).Select(static i => $"diode://{Device}@r{i}.example"))),
            ("fleet", new string('x', 10_000)));
        Assert.Equal((128, 128, 128), (settings.Ports.Length, settings.Binds.Length, settings.Relays.Length));
        Assert.True(settings.Warnings.Count <= 128);
        Assert.All(settings.Warnings, static w => Assert.True(w.Length < 330));
    }

    /// <summary>As in the Diode client: applied after the properties, so that a member takes the place of the property.</summary>
    [Fact]
    public void Extra_members_take_the_place_of_properties()
    {
        PerimeterSettings settings = Read(
            ("public", "80 81"), ("private", $"22,{Device}"), ("fleet", Fleet), ("bind", $"7000:{Device}:80"), ("diodeaddrs", $"diode://{Device}@a.example"),
            ("extra_config", $$"""
                {"public": "8080:80 9090", "Private": ["443:443:tls, {{Device}}", "444,some-device"], "published_protected_ports": 5900, "fleet": "{{Device}}",
                 "bind": ["7001:{{Device}}:81"], "diodeaddrs": "diode://{{Fleet}}@b.example", "sshd": null, "debug": false}
                """));
        Assert.Empty(settings.Warnings);
        Assert.Equal(
            [$"Private 443:443:tls,{Device}", "Private 444:444,some-device", $"Protected 5900:5900,{Device}", "Public 8080:80", "Public 9090:9090"],
            settings.Ports.Select(static p => $"{p.Mode} {p}"));
        Assert.Equal(Device, settings.Fleet!.Value.Contract.ToString());
        Assert.Equal($"7001:{Device}:81:tls", Assert.Single(settings.Binds).ToString());
        Assert.Equal($"diode://{Fleet}@b.example:41046", Assert.Single(settings.Relays).ToString());
    }

    [Fact]
    public void Extra_members_that_are_null_say_nothing_and_empty_ones_clear()
    {
        PerimeterSettings settings = Read(("public", "80"), ("private", $"22,{Device}"), ("bind", $"7000:{Device}:80"), ("extra_config", """{"public": null, "private": [], "bind": ""}"""));
        Assert.Empty(settings.Warnings);
        Assert.Equal("80:80", Assert.Single(settings.Ports).ToString());
        Assert.Empty(settings.Binds);
    }

    [Fact]
    public void Of_a_member_in_another_form_nothing_is_left_open()
    {
        PerimeterSettings settings = Read(("public", "80"), ("extra_config", """{"public": {"80": 80}, "socksd_port": 1080, "bnscachetime": "5m", "wireguard": "[Interface]"}"""));
        Assert.Empty(settings.Ports);
        Assert.Null(settings.WireGuard);
        string[] expected =
        [
            "extra_config: public is neither", "extra_config: socksd_port is not applied: there is no SOCKS", "extra_config: bnscachetime is not applied: names are asked",
            "extra_config: wireguard is not applied: it is a property",
        ];
        Assert.Equal(expected.Length, settings.Warnings.Count);
        Assert.All(expected, text => Assert.Contains(settings.Warnings, w => w.StartsWith(text, StringComparison.Ordinal)));
    }

    [Fact]
    public void Lists_say_who_may_not_and_who_alone_may()
    {
        Address one = Address.Parse(Device);
        Address other = Address.Parse(Fleet);
        DeviceLists lists = Read(("extra_config", $$"""{"blocklists": ["{{Device}}"], "allowlists": ["{{Device}}"]}""")).Lists;
        Assert.Equal((false, true), (lists.Admits(one), lists.Admits(other)));
        lists = Read(("extra_config", $$"""{"allowlists": "{{Device}}"}""")).Lists;
        Assert.Equal((true, false), (lists.Admits(one), lists.Admits(other)));
        Assert.True(Read(("extra_config", """{"allowlists": [], "blocklists": ""}""")).Lists.Admits(other));

        // Neither a property of that name nor a list that nobody can read opens anything.
        Assert.True(Read(("blocklists", Device)).Lists.Admits(one));
        PerimeterSettings unreadable = Read(("extra_config", """{"allowlists": ["somebody"]}"""));
        Assert.False(unreadable.Lists.Admits(one));
        Assert.Equal("allowlists: 'somebody' is no device", Assert.Single(unreadable.Warnings));
    }

    [Fact]
    public void Noise_never_throws()
    {
        const string Letters = "0123456789:,.-[]{}=\"\\ \n\txdiode/@tlsud#InterfacePeer\ud800é";
        var random = new Random(2);
        string[] keys = [.. PerimeterReader.Keys];
        for (int i = 0; i < 20_000; i++)
        {
            string noise = new([.. Enumerable.Range(0, random.Next(60)).Select(_ => Letters[random.Next(Letters.Length)])]);
            Read((keys[i % keys.Length], noise));
            Read(("extra_config", $$"""{"{{keys[i % keys.Length]}}": {{noise}}}"""), (keys[i % keys.Length], noise));
        }
    }

    private static PerimeterSettings Read(params (string Key, string Value)[] values) =>
        PerimeterSettings.Read(values.DistinctBy(static v => v.Key).ToDictionary(static v => v.Key, static v => v.Value), 41042);
}
