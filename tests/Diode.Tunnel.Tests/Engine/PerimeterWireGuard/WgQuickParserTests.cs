using System.Net;
using Diode.Tunnel.Engine.PerimeterWireGuard;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.PerimeterWireGuard;

public sealed class WgQuickParserTests
{
    private const string Device = "0x2222222222222222222222222222222222222222";
    private const string Key = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
    private const string OtherKey = "ISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P0A=";

    [Theory]
    [InlineData("[Interface]\nPrivateKey = auto\nAddress = 10.0.0.2/24\nListenPort = 51820\n\n[Peer]\n# DiodeDevice = " + Device + "\nPublicKey = " + Key + "\nAllowedIPs = 10.0.0.0/24\n")]
    [InlineData("[Interface]\r\nPrivateKey = auto\r\nAddress = 10.0.0.2/24\r\nListenPort = 51820\r\n[Peer]\r\n;DiodeDevice = " + Device + "\r\nPublicKey = " + Key + "\r\nAllowedIPs = 10.0.0.0/24")]
    [InlineData("[Interface] PrivateKey = auto Address = 10.0.0.2/24 ListenPort = 51820 [Peer] DiodeDevice = " + Device + " PublicKey = " + Key + " AllowedIPs = 10.0.0.0/24")]
    [InlineData("[Interface] PrivateKey = auto Address = 10.0.0.2/24 ListenPort = 51820 [Peer] # DiodeDevice = " + Device + " PublicKey = " + Key + " AllowedIPs = 10.0.0.0/24")]
    [InlineData("[interface]PrivateKey=AUTO Address=10.0.0.2/24 ListenPort=51820 [peer]DiodeDevice=" + Device + " PublicKey=" + Key + " AllowedIPs=10.0.0.0/24")]
    public void It_may_be_one_line(string text)
    {
        WgQuickConfig config = WgQuickParser.TryRead(text)!;
        Assert.Empty(config.Warnings);
        Assert.Equal((WgQuickKey.Auto, 51820), (config.Key, config.ListenPort));
        Assert.Equal("10.0.0.2", Assert.Single(config.Addresses).ToString());
        Assert.Equal("10.0.0.0/24", Assert.Single(config.Networks).ToString());
        WgQuickPeer peer = Assert.Single(config.Peers);
        Assert.Equal(Key, peer.PublicKey.ToString());
        Assert.Equal((Device, (ushort)51820), (peer.Device.ToString(), peer.Port));
        Assert.Equal("10.0.0.0/24", Assert.Single(peer.AllowedIps).ToString());
    }

    [Fact]
    public void Everything_that_has_a_meaning_is_read()
    {
        WgQuickConfig config = WgQuickParser.TryRead(
            $"""
            [Interface]
            Address = 10.9.0.2/24, fd00:9::2/64
            Address = 10.8.0.2
            # PrivateKey = {OtherKey}
            PrivateKey = {Key}   # the office's
            MTU = 1380
            [Peer]
            PublicKey = {Key}
            PresharedKey = {OtherKey}
            AllowedIPs = 10.9.0.7/24 , fd00:9::/64
            AllowedIPs = 10.9.0.0/24
            PersistentKeepalive = 25
            Endpoint = vpn.example:51820
            [Peer]
            PublicKey = {OtherKey}
            Endpoint = [fd00::1]:1
            PersistentKeepalive = off
            [Peer]
            PublicKey = auto
            Endpoint = DIODE://{Device.ToUpperInvariant().Replace("0X", "0x", StringComparison.Ordinal)}:1234
            """)!;
        Assert.Equal(["10.9.0.2", "fd00:9::2", "10.8.0.2"], config.Addresses.Select(static a => a.ToString()));
        Assert.Equal(["10.9.0.0/24", "fd00:9::/64", "10.8.0.2/32"], config.Networks.Select(static n => n.ToString()));
        Assert.Equal((WgQuickKey.Given, Key, 1380), (config.Key, Convert.ToBase64String(config.PrivateKey), config.Mtu));
        Assert.Equal(3, config.Peers.Length);
        Assert.Equal((OtherKey, 25.0, "vpn.example", 51820), (Convert.ToBase64String(config.Peers[0].PresharedKey), config.Peers[0].Keepalive.TotalSeconds, config.Peers[0].Host, config.Peers[0].Port));
        Assert.Equal(["10.9.0.0/24", "fd00:9::/64"], config.Peers[0].AllowedIps.Select(static n => n.ToString()));
        Assert.Equal(("fd00::1", 1, TimeSpan.Zero), (config.Peers[1].Host, config.Peers[1].Port, config.Peers[1].Keepalive));
        Assert.Null(config.Peers[2].PublicKey);
        Assert.Equal((Device, (ushort)1234), (config.Peers[2].Device.ToString(), config.Peers[2].Port));
        Assert.Contains("stands in the contract", Assert.Single(config.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public void Commands_are_not_run_and_what_is_the_machines_is_not_set()
    {
        WgQuickConfig config = WgQuickParser.TryRead(
            "[Interface] PrivateKey = auto DNS = 1.1.1.1 Table = off FwMark = 1 SaveConfig = true PostUp = reboot; iptables -A Address = 10.0.0.9/32 [Peer] PublicKey = " + Key + " PostUp = x")!;
        Assert.Equal(
            "its commands (PostUp and the like) are not run|DNS, Table, FwMark, SaveConfig not applied: what this machine does otherwise is not a contract's to set",
            string.Join('|', config.Warnings));
        Assert.DoesNotContain("reboot", config.Describe(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("PrivateKey = PostUp PostUp = wg set %i private-key /x")]
    [InlineData("PrivateKey = c2hvcnQ=")]
    public void Without_a_usable_key_there_is_no_interface(string key)
    {
        WgQuickConfig config = WgQuickParser.TryRead("[Interface] " + key)!;
        Assert.Equal(WgQuickKey.Missing, config.Key);
        Assert.Contains(config.Warnings, static w => w.StartsWith("there is no interface", StringComparison.Ordinal));
        Assert.DoesNotContain(config.Warnings, static w => w.Contains("c2hvcnQ", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("AllowedIPs = 10.0.0.0/24", "it has no public key")]
    [InlineData("PublicKey = auto", "PublicKey = auto needs the device's address")]
    [InlineData("PublicKey = auto Endpoint = diode://some-device", "PublicKey = auto needs the device's address")]
    [InlineData("PublicKey = " + Key + " PresharedKey = short", "its preshared key is none")]
    [InlineData("PublicKey = " + Key + " [Peer] PublicKey = " + Key, "its key is another peer's, too")]
    [InlineData("PublicKey = " + Key + " Endpoint = nowhere", "'endpoint = nowhere' is not understood")]
    [InlineData("PublicKey = " + Key + " Endpoint = diode://" + Device + ":0", "is not understood")]
    [InlineData("PublicKey = " + Key + " Endpoint = diode://x!", "is not understood")]
    [InlineData("PublicKey = " + Key + " AllowedIPs = 10, 010.0.0.0/8, 10.0.0.0/33, ::ffff:1.2.3.4/128, fe80::1%1/64", "'fe80::1%1/64' is no network")]
    [InlineData("PublicKey = " + Key + " PresharedKy = c2VjcmV0", "presharedky")]
    public void What_is_not_in_form_is_left_out_and_named(string peer, string warning)
    {
        WgQuickConfig config = WgQuickParser.TryRead("[Interface] PrivateKey = auto [Peer] " + peer)!;
        if (warning != "presharedky")
        {
            Assert.Contains(config.Warnings, w => w.Contains(warning, StringComparison.Ordinal));
        }

        Assert.DoesNotContain(config.Warnings, static w => w.Contains("c2VjcmV0", StringComparison.Ordinal));
        Assert.All(config.Peers, static p => Assert.Empty(p.AllowedIps));
        Assert.All(config.Peers, static p => Assert.Null(p.Host));
    }

    [Fact]
    public void Secrets_are_not_shown()
    {
        WgQuickConfig config = WgQuickParser.TryRead(
            $"[Interface]\nPrivateKey = {Key}\n[Peer]\nPublicKey = {OtherKey}\nPresharedKey = {Key}\nEndpoint = diode://some-device.diode:51821")!;
        Assert.Equal($"interface:; peer: PublicKey {OtherKey} DiodeDevice some-device:51821 AllowedIPs ", config.Describe());
        Assert.All(config.Warnings, static w => Assert.DoesNotContain(Key, w, StringComparison.Ordinal));
    }

    [Fact]
    public void A_contract_cannot_set_any_number_of_things()
    {
        string peers = string.Concat(Enumerable.Range(0, 400).Select(static i =>
            $"[Peer] PublicKey = {Convert.ToBase64String([(byte)i, (byte)(i >> 8), .. new byte[30]])} AllowedIPs = {string.Join(',', Enumerable.Range(0, 9).Select(n => $"10.{i / 256}.{i % 256}.{n}"))} "));
        WgQuickConfig config = WgQuickParser.TryRead("[Interface] Address = " + string.Join(',', Enumerable.Range(0, 100).Select(static i => $"10.0.0.{i}")) + peers)!;
        Assert.Equal((16, 256), (config.Addresses.Length, config.Peers.Length));
        Assert.Equal(256, config.Peers.Sum(static p => p.AllowedIps.Length));
    }

    [Fact]
    public void Noise_never_throws()
    {
        string[] words =
        [
            "[Interface]", "[Peer]", "PrivateKey", "PublicKey", "PresharedKey", "AllowedIPs", "Endpoint", "Address", "MTU", "ListenPort", "DiodeDevice", "PersistentKeepalive", "PostUp", "auto", "=", " = ", ",", "\n", " ", "#", ";", "/",
            ":", "diode://", Device, Key, "10.0.0.1", "/24", "fd00::1", "99999999999", "-1", "\ud800", "é", "[", "]", "off",
        ];
        var random = new Random(5);
        for (int i = 0; i < 30_000; i++)
        {
            string noise = string.Concat(Enumerable.Range(0, random.Next(30)).Select(_ => words[random.Next(words.Length)]));
            WgQuickParser.TryRead(noise)?.Describe();
            WgQuickParser.TryRead("[Interface]" + noise)?.Describe();
        }
    }

    [Theory]
    [InlineData("10.9.0.7/24", "10.9.0.7", "10.9.0.0/24")]
    [InlineData(" 10.9.0.7 ", "10.9.0.7", "10.9.0.7/32")]
    [InlineData("fd00:1::7/48", "fd00:1::7", "fd00:1::/48")]
    [InlineData("0.0.0.0/0", "0.0.0.0", "0.0.0.0/0")]
    public void Networks_lose_the_bits_of_the_host(string text, string address, string network)
    {
        Assert.True(WgQuickParser.TryReadNetwork(text, out IPAddress read, out IPNetwork net));
        Assert.Equal((address, network), (read.ToString(), net.ToString()));
    }
}
