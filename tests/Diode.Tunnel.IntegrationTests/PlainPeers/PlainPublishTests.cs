using System.Globalization;
using System.Security.Cryptography;
using Diode.Tunnel.Control;
using Diode.Tunnel.Control.Models;
using Diode.Tunnel.IntegrationTests.Namespaces;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.PlainPeers;

/// <summary>Ports of ours that a plain Diode device opens, over a real relay.</summary>
public sealed class PlainPublishTests(PlainWorld world) : IClassFixture<PlainWorld>
{
    private const int BlobBytes = 32 << 20;

    private string Ours => world.Laptop.Address;

    [Fact]
    public void Published_ports_are_opened_in_every_form_and_refused_with_the_reason()
    {
        using HostedProcess web = world.Laptop.Serve("web", "8080");
        using HostedProcess echo = world.Laptop.Serve("udpecho", "5353");
        string other = "0x9999999999999999999999999999999999999999";
        world.Laptop.Check(
            "publish", "--public", "8080:80,5353:53:udp", "--private", $"8080:81:tls,{world.SensorAddress}", "--private", $"8080:82,{other}",
            "--protected", "8080:83:tls", "--public", "9:84:tcp");
        world.Laptop.Check("publish", "8080/tcp", "--to", "fleet");
        using HostedProcess plain = world.StartPlain(
            "--forward", $"9001={Ours}/tls:80", "--forward", $"9002={Ours}/tcp:80", "--forward", $"9003={Ours}/raw:0050",
            "--forward", $"9004={Ours}/tls:81", "--forward", $"9005={Ours}/tls:83", "--forward", $"9006={Ours}/tls:8080",
            "--forward", $"9011={Ours}/tcp:81", "--forward", $"9012={Ours}/tls:82", "--forward", $"9013={Ours}/tls:85",
            "--forward", $"9014={Ours}/raw:04e59a", "--forward", $"9015={Ours}/tcp:84", "--forward", $"9016={Ours}/tcp:8080",
            "--forward", $"5301={Ours}/udp:53");

        foreach (int port in new[] { 9001, 9002, 9003, 9004, 9005 })
        {
            Assert.Equal("127.0.0.1", world.Sensor.Get($"http://127.0.0.1:{port}/"));
        }

        // A rule of the tunnel leads to the virtual address, as it does for devices of the tunnel.
        Assert.Equal(world.Laptop.Ipv4, world.Sensor.Get("http://127.0.0.1:9006/"));
        for (int port = 9011; port <= 9016; port++)
        {
            Assert.Null(world.Sensor.Get($"http://127.0.0.1:{port}/"));
        }

        string hex = world.SensorAddress.ToString()[2..];
        foreach (string line in new[]
        {
            "refused tcp:81: port was not published",
            $"refused tls:82: device {hex} is not in the Allowlist (2)",
            "refused tls:85: port was not published",
            "refused raw:04e59a: not supported port format: ",
            "refused tcp:84: dial tcp localhost:9: connection refused",
            "refused tcp:8080: port was not published",
        })
        {
            Assert.Contains(line, plain.Output, StringComparison.Ordinal);
        }

        Assert.Equal("hello", Udp("hello", 5301));
        PublishList list = world.Laptop.Json("publish list", ControlJson.Default.PublishList);
        Assert.Contains(list.Rules, r => r is { Port: 80, Mode: PublishMode.Public, Target: "localhost:8080", InTunnel: false });
        Assert.Contains("in clear text", world.Laptop.Check("publish", "list"), StringComparison.Ordinal);
        int[] ports = [80, 53, 81, 82, 83, 84, 8080];
        foreach (int port in ports)
        {
            world.Laptop.Check("unpublish", port.ToString(CultureInfo.InvariantCulture));
        }

        // Other tests of this world have ports of their own.
        Assert.DoesNotContain(world.Laptop.Json("publish list", ControlJson.Default.PublishList).Rules, r => ports.Contains(r.Port ?? 0));
    }

    [Theory]
    [InlineData("tls")]
    [InlineData("tcp")]
    public void Large_transfers_arrive_unchanged_both_ways(string protocol)
    {
        using HostedProcess web = world.Laptop.Serve("web", "8080");
        world.Laptop.Check("publish", "--public", "8080:90");
        using HostedProcess plain = world.StartPlain("--forward", $"9001={Ours}/{protocol}:90");
        byte[] content = RandomNumberGenerator.GetBytes(BlobBytes);
        string file = Path.Combine(world.Net.Net.Folder, "blob-" + protocol);
        File.WriteAllBytes(file, content);
        CommandResult sent = world.Sensor.Run("curl", "-s", "-m", "60", "-T", file, "http://127.0.0.1:9001/blob");
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(content)), sent.Output);

        CommandResult received = world.Sensor.Run(
            "sh", "-c", $"curl -s -m 60 http://127.0.0.1:9001/blob/{BlobBytes} | sha256sum | cut -d' ' -f1");
        Assert.Equal(world.Laptop.Get($"http://127.0.0.1:8080/sha/{BlobBytes}", 30), received.Output.Trim());
    }

    [Fact]
    public void Taking_a_port_back_cuts_what_it_carries()
    {
        using HostedProcess web = world.Laptop.Serve("web", "8080");
        world.Laptop.Check("publish", "--private", $"8080:91:tls,{world.SensorAddress}");
        using HostedProcess plain = world.StartPlain("--forward", $"9001={Ours}/tls:91");
        using HostedProcess stream = world.Net.Net.Start("sensor", "curl", "-s", "-N", "http://127.0.0.1:9001/stream");
        world.Net.Net.WaitUntil("the stream runs", TimeSpan.FromSeconds(10), () => stream.Output.Length > 20);
        world.Laptop.Check("unpublish", "91");
        stream.WaitForExit(TimeSpan.FromSeconds(5));
        Assert.Null(world.Sensor.Get("http://127.0.0.1:9001/"));
    }

    [Fact]
    public void A_service_that_does_not_read_costs_no_memory_and_loses_its_port()
    {
        using HostedProcess sink = world.Laptop.Serve("sink", "8090");
        world.Laptop.Check("publish", "--public", "8090:92");
        using HostedProcess plain = world.StartPlain("--forward", $"9001={Ours}/tcp:92");
        long before = Resident();
        CommandResult sent = world.Sensor.Run("sh", "-c", "head -c 300000000 /dev/zero | curl -s -m 40 -T - http://127.0.0.1:9001/");
        Assert.NotEqual(0, sent.ExitCode);
        long grown = Resident() - before;
        Assert.True(grown < 48 << 20, $"grew by {grown} bytes");
        world.Laptop.WaitStatus("the port was cut", s => s.Counters["plain_slow_readers_cut_total"] > 0, TimeSpan.FromSeconds(10));
        world.Laptop.WaitStatus("the relay is still there", s => s.Relays.All(r => r.State == RelayState.Connected));
    }

    private string Udp(string text, int port)
    {
        return world.Sensor.Run(
            "python3",
            "-c",
            $"import socket;s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM);s.settimeout(5);s.sendto(b'{text}',('127.0.0.1',{port}));print(s.recv(100).decode(),end='')").Output;
    }

    private long Resident()
    {
        string line = File.ReadLines($"/proc/{world.Laptop.Daemon!.Id}/status").First(l => l.StartsWith("VmRSS:", StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) * 1024;
    }
}
