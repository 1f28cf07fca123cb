using System.Security.Cryptography;
using Diode.Tunnel.Control;
using Diode.Tunnel.Control.Models;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.IntegrationTests.Mesh;
using Diode.Tunnel.IntegrationTests.Namespaces;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.PlainPeers;

/// <summary>A plain Diode device reached by its virtual addresses, its names, and bound ports.</summary>
public sealed class PlainReachTests(PlainWorld world) : IClassFixture<PlainWorld>
{
    private const int BlobBytes = 32 << 20;

    [Fact]
    public void A_member_is_reached_by_address_and_name_and_refuses_as_itself()
    {
        using HostedProcess web = world.Sensor.Serve("web", "8080");
        using HostedProcess plain = world.StartPlain("--serve", "tls:80=8080", "--serve", "tcp:81=8080", "--serve", "raw:52=8080");
        PeerStatus peer = WaitPlain();
        foreach (string host in new[] { peer.Ipv4!, $"[{peer.Ipv6}]", "sensor.home.diode", "sensor.diode", $"{world.SensorAddress}.diode" })
        {
            Assert.Equal("127.0.0.1", world.Laptop.Get($"http://{host}/", 8));
        }

        // Refused by the device: at once, as by a host without the service.
        Assert.Equal(7, Curl($"http://{peer.Ipv4}:99/").ExitCode);
        Assert.Equal(7, Curl($"http://[{peer.Ipv6}]:99/").ExitCode);

        // No clear text unless allowed.
        Assert.Equal(7, Curl($"http://{peer.Ipv4}:81/").ExitCode);
        world.Laptop.Check("cleartext", "allow", "sensor");
        Assert.Equal("127.0.0.1", world.Laptop.Get($"http://{peer.Ipv4}:81/", 8));
        Assert.Equal("127.0.0.1", world.Laptop.Get($"http://[{peer.Ipv6}]:82/", 8));
        Assert.Contains("opened tls:80", plain.Output, StringComparison.Ordinal);
        world.Laptop.Check("cleartext", "deny", "sensor");
        Assert.Equal(7, Curl($"http://{peer.Ipv4}:81/").ExitCode);
        Assert.DoesNotContain("udp", world.Laptop.Check("cleartext", "list"), StringComparison.Ordinal);

        peer = world.Laptop.Status().Peers.Single(p => p.Device == world.SensorAddress.ToString());
        Assert.Equal(PathKind.PlainDiode, peer.Path.Kind);
        Assert.Equal(world.Net.RelayUri, peer.Path.Via);
        Assert.True(peer.Online);
    }

    [Fact]
    public void A_device_of_no_fleet_is_met_at_the_relay_its_ticket_names()
    {
        using var apart = new PlainWorld();
        string far = apart.Net.AddRelays("berlin").Single();
        using HostedProcess web = apart.Sensor.Serve("web", "8080");
        using PrivateKey stranger = PrivateKey.Generate();
        using HostedProcess plain = apart.StartPlain(stranger, far, "--serve", "tls:80=8080");
        Assert.DoesNotContain(far, apart.Laptop.Status().Relays.Select(r => r.Uri));
        Assert.Equal("127.0.0.1", apart.Laptop.Get($"http://{stranger.Address}.diode/", 15));
        Assert.Contains(far, apart.Laptop.Status().Relays.Select(r => r.Uri));
    }

    [Fact]
    public void Large_transfers_arrive_unchanged_both_ways()
    {
        using HostedProcess web = world.Sensor.Serve("web", "8080");
        using HostedProcess plain = world.StartPlain("--serve", "tls:80=8080");
        PeerStatus peer = WaitPlain();
        byte[] content = RandomNumberGenerator.GetBytes(BlobBytes);
        string file = Path.Combine(world.Net.Net.Folder, "blob-out");
        File.WriteAllBytes(file, content);
        CommandResult sent = world.Laptop.Run("curl", "-s", "-g", "-m", "60", "-T", file, $"http://[{peer.Ipv6}]/blob");
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(content)), sent.Output);
        CommandResult received = world.Laptop.Run(
            "sh", "-c", $"curl -s -m 60 http://{peer.Ipv4}/blob/{BlobBytes} | sha256sum | cut -d' ' -f1");
        Assert.Equal(world.Sensor.Get($"http://127.0.0.1:8080/sha/{BlobBytes}", 30), received.Output.Trim());
    }

    [Fact]
    public void Datagrams_pass_where_clear_text_is_allowed()
    {
        using HostedProcess echo = world.Sensor.Serve("udpecho", "5353");
        using HostedProcess plain = world.StartPlain("--serve", "udp:53=5353");
        PeerStatus peer = WaitPlain();
        Assert.Equal("", Udp(peer.Ipv4!, 53));
        world.Laptop.Check("cleartext", "allow", world.SensorAddress.ToString());
        try
        {
            Assert.Equal("hello", Udp(peer.Ipv4!, 53));
            Assert.Equal("hello", Udp(peer.Ipv6!, 53));
            Assert.Equal("", Udp(peer.Ipv4!, 54));
        }
        finally
        {
            world.Laptop.Check("cleartext", "deny", world.SensorAddress.ToString());
        }
    }

    [Fact]
    public void A_device_of_no_fleet_is_reached_by_its_address_as_name()
    {
        using PrivateKey key = PrivateKey.Generate();
        byte[] secret = new byte[PrivateKey.Length];
        key.CopyTo(secret);
        using HostedProcess web = world.Sensor.Serve("web", "8080");
        using HostedProcess plain = world.Net.Net.Start(
            "sensor", Programs.PlainDevice, world.Net.RelayUri, "--key", Convert.ToHexString(secret), "--serve", "tls:80=8080");
        world.Net.Net.WaitUntil("the device is ready", TimeSpan.FromSeconds(20), () => plain.Output.Contains("ready", StringComparison.Ordinal));
        Assert.Equal("127.0.0.1", world.Laptop.Get($"http://{key.Address}.diode/", 8));
        PeerStatus peer = world.Laptop.Status().Peers.Single(p => p.Device == key.Address.ToString());
        Assert.Equal(PathKind.PlainDiode, peer.Path.Kind);

        plain.Dispose();
        world.Net.Net.WaitUntil(
            "it is unreachable, not silent", TimeSpan.FromSeconds(10), () => Curl($"http://{peer.Ipv4}/").ExitCode == 7);
    }

    [Fact]
    public void A_port_that_ends_mid_transfer_ends_the_connection()
    {
        using HostedProcess web = world.Sensor.Serve("web", "8080");
        HostedProcess plain = world.StartPlain("--serve", "tls:80=8080");
        PeerStatus peer = WaitPlain();
        using HostedProcess stream = world.Net.Net.Start("laptop", "curl", "-sS", "-N", $"http://{peer.Ipv4}/stream");
        world.Net.Net.WaitUntil("the stream runs", TimeSpan.FromSeconds(10), () => stream.Output.Length > 20);
        plain.Signal("KILL");
        stream.WaitForExit(TimeSpan.FromSeconds(8));

        // Without close_notify the end is a reset, never a document that looks complete.
        Assert.NotEqual(0, stream.ExitCode);
        plain.Dispose();
    }

    [Fact]
    public void A_closed_kill_switch_lets_plain_ports_pass_inside_the_relay_session_and_nothing_else()
    {
        using var apart = new PlainWorld();
        MeshDevice laptop = apart.Laptop;
        MeshDevice exit = apart.Net.AddDevice("exit", nameServer: MeshWorld.ExitNameServer);
        exit.Start();
        laptop.Check("fleet", "add", exit.Address, "exit");
        exit.Check("fleet", "join", apart.Net.ExportManifest(laptop));
        MeshWorld.WaitMeshed(laptop, exit);
        exit.Check("exit", "offer", "--region", "de");
        apart.Net.Net.WaitUntil("the offer is known", TimeSpan.FromSeconds(10), () => laptop.Cli("exit", "use", "de").ExitCode == 0);
        exit.Kill();

        using HostedProcess web = apart.Sensor.Serve("web", "8080");
        using HostedProcess plain = apart.StartPlain("--serve", "tls:80=8080");
        apart.Net.Watch(laptop);
        apart.Net.Net.WaitUntil("the sensor answers", TimeSpan.FromSeconds(20), () => laptop.Get("http://sensor.home.diode/", 4) is not null);
        PeerStatus peer = laptop.Status().Peers.Single(p => p.Device == apart.SensorAddress.ToString());
        Assert.Equal("127.0.0.1", laptop.Get($"http://{peer.Ipv4}/", 8));
        Assert.Equal("127.0.0.1", laptop.Get($"http://[{peer.Ipv6}]/", 8));
        Assert.Null(laptop.Get($"http://{MeshWorld.Web}/", 2));
        Assert.Null(laptop.Get($"http://{apart.Sensor.UplinkAddress}:8080/", 2));
        Assert.Equal(0, apart.Net.Counted("clear"));
        Assert.Equal(0, apart.Net.Counted("names"));
    }

    [Fact]
    public void Bound_ports_lead_to_the_device()
    {
        using HostedProcess web = world.Sensor.Serve("web", "8080");
        using HostedProcess echo = world.Sensor.Serve("udpecho", "5353");
        using HostedProcess plain = world.StartPlain("--serve", "tls:80=8080", "--serve", "tcp:81=8080", "--serve", "udp:53=5353");
        world.Laptop.Check("bind", "add", "7001:sensor:80");
        world.Laptop.Check("bind", "add", $"7002:{world.SensorAddress}:81:tcp");
        world.Laptop.Check("bind", "add", "7003:sensor:53:udp");
        world.Laptop.Check("bind", "add", "auto:sensor:80:tls");
        BindList list = world.Laptop.Json("bind list", ControlJson.Default.BindList);
        int chosen = list.Binds[3].Local;
        Assert.InRange(chosen, 1024, 65535);
        foreach (int port in new[] { 7001, 7002, chosen })
        {
            Assert.Equal("127.0.0.1", world.Laptop.Get($"http://127.0.0.1:{port}/", 8));
        }

        Assert.Equal("hello", Udp("127.0.0.1", 7003));
        Assert.Equal("hello", Udp("127.0.0.1", 7003));
        world.Laptop.Check("bind", "remove", "7001");
        Assert.Equal(7, Curl("http://127.0.0.1:7001/").ExitCode);
        foreach (int port in new[] { 7002, 7003, chosen })
        {
            world.Laptop.Check("bind", "remove", port.ToString(System.Globalization.CultureInfo.InvariantCulture));
        }

        Assert.Empty(world.Laptop.Json("bind list", ControlJson.Default.BindList).Binds);
    }

    private PeerStatus WaitPlain()
    {
        PeerStatus? found = null;
        world.Laptop.WaitStatus("the sensor is known as plain", s =>
            (found = s.Peers.FirstOrDefault(p => p.Device == world.SensorAddress.ToString() && p.Path.Kind == PathKind.PlainDiode && p.Online)) is not null);
        return found!;
    }

    private CommandResult Curl(string url)
    {
        return world.Laptop.Run("curl", "-s", "-g", "-m", "6", url);
    }

    private string Udp(string address, int port)
    {
        string family = address.Contains(':', StringComparison.Ordinal) ? "AF_INET6" : "AF_INET";
        return world.Laptop.Run(
            "python3",
            "-c",
            $"""
            import socket
            s = socket.socket(socket.{family}, socket.SOCK_DGRAM)
            s.settimeout(3)
            s.connect(('{address}', {port}))
            try:
                s.send(b'hello')
                print(s.recv(100).decode(), end='')
            except OSError:
                pass
            """).Output;
    }
}
