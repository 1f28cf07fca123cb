using Diode.Tunnel.Engine.Perimeters;
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
            ["sshd", "socksd", "debug", "extra_config", "extra_config"], settings.Warnings.Select(static w => w[..w.IndexOf(':', StringComparison.Ordinal)]));
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

    [Theory]
    [InlineData("[Interface]\nPrivateKey = auto\nAddress = 10.0.0.2/24\nListenPort = 51820\n\n[Peer]\n# DiodeDevice = 0xab\nAllowedIPs = 10.0.0.0/24\n")]
    [InlineData("[Interface] PrivateKey = auto Address = 10.0.0.2/24 ListenPort = 51820 [Peer] DiodeDevice = 0xab AllowedIPs = 10.0.0.0/24")]
    [InlineData("[interface]PrivateKey=AUTO Address=10.0.0.2/24 ListenPort=51820 [peer]DiodeDevice=0xab AllowedIPs=10.0.0.0/24")]
    public void WireGuard_text_may_be_one_line(string text)
    {
        WgQuickText config = WgQuickText.TryRead(text)!;
        Assert.True(config.KeyFromContract);
        Assert.False(config.HasCommands);
        Assert.Equal("Address 10.0.0.2/24, ListenPort 51820", config.Interface);
        Assert.Equal("DiodeDevice 0xab, AllowedIPs 10.0.0.0/24", Assert.Single(config.Peers));
    }

    [Fact]
    public void WireGuard_secrets_and_commands_are_not_shown()
    {
        WgQuickText config = WgQuickText.TryRead(
            "[Interface]\nPrivateKey = c2VjcmV0\nPostUp = wg set %i private-key /x\n[Peer]\nPublicKey = cHVi\nPresharedKey = c2hhcmVk\nEndpoint = diode://0xab:51820")!;
        Assert.False(config.KeyFromContract);
        Assert.True(config.HasCommands);
        Assert.Equal(("", "PublicKey cHVi, Endpoint diode://0xab:51820"), (config.Interface, Assert.Single(config.Peers)));
        Assert.Null(WgQuickText.TryRead("Address = 1"));
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
            WgQuickText.TryRead("[Interface]" + noise);
        }
    }

    private static PerimeterSettings Read(params (string Key, string Value)[] values) =>
        PerimeterSettings.Read(values.ToDictionary(static v => v.Key, static v => v.Value), 41042);
}
