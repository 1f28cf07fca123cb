using System.Diagnostics;
using System.Net.Sockets;
using System.Security.Cryptography;
using Diode.Tunnel.Control.Models;
using Xunit;
using Xunit.Abstractions;

namespace Diode.Tunnel.IntegrationTests.Mesh;

/// <summary>Relays that die, relays that are not who they should be, and garbage on everything that listens.</summary>
public sealed class RelayFailureTests(RelayFailureTests.World world, ITestOutputHelper output) : IClassFixture<RelayFailureTests.World>
{
    [Fact]
    public void Mesh_resumes_after_the_relay_was_killed_and_restarted()
    {
        Assert.True(world.Laptop.Pings(world.Server.Ipv4));
        world.Net.KillRelay();
        world.Laptop.WaitStatus("the relay is said to be lost", s => s.Relays.All(r => r.State != RelayState.Connected && r.Error is not null), TimeSpan.FromSeconds(10));
        Assert.False(world.Laptop.Pings(world.Server.Ipv4, 1));
        Assert.Equal(DaemonState.Connecting, world.Laptop.Status().State);
        world.Net.StartRelay();
        long started = Stopwatch.GetTimestamp();
        world.Net.Net.WaitUntil("the mesh resumes", TimeSpan.FromSeconds(25), () => world.Laptop.Pings(world.Server.Ipv4, 1));
        output.WriteLine($"resumed {Stopwatch.GetElapsedTime(started).TotalSeconds:0.0} s after the relay was ready");
        Assert.True(world.Server.Pings(world.Laptop.Ipv6));
        Assert.Equal(DaemonState.Up, world.Laptop.Status().State);
    }

    [Fact]
    public void Relay_with_another_identity_is_not_talked_to()
    {
        MeshDevice device = world.Net.AddDevice("careful");
        string foreign = "0x" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(20));
        string actual = world.Net.RelayUri["diode://".Length..world.Net.RelayUri.IndexOf('@')];
        device.RelayUri = world.Net.RelayUri.Replace(actual, foreign, StringComparison.Ordinal);
        device.Launch();
        device.WaitStatus("the reason is said", s => s.Relays.Any(r => r.Error?.Contains(actual, StringComparison.Ordinal) == true));
        for (int i = 0; i < 5; i++)
        {
            DaemonStatus status = device.Status();
            Assert.NotEqual(DaemonState.Up, status.State);
            RelayStatus relay = Assert.Single(status.Relays);
            Assert.NotEqual(RelayState.Connected, relay.State);
            Assert.Contains(status.Health, h => h.Code == "RELAY" && h.Text.Contains(actual, StringComparison.Ordinal));
            Thread.Sleep(300);
        }

        Assert.Contains(actual, device.Check("status"), StringComparison.Ordinal);
    }

    [Fact]
    public void Unreachable_relay_is_said()
    {
        MeshDevice device = world.Net.AddDevice("lonely");
        device.RelayUri = world.Net.RelayUri.Replace(":41046", ":9", StringComparison.Ordinal);
        device.Launch();
        device.WaitStatus("the reason is said", s => s.State == DaemonState.Connecting && s.Relays.Any(r => !string.IsNullOrEmpty(r.Error)));
        Assert.Contains("refused", device.Status().StateReason, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public void Garbage_on_every_listener_changes_nothing()
    {
        // Idle connections stay open all the while.
        world.Net.Net.Start("laptop", "bash", "-c", $"for i in $(seq 10 40); do eval \"exec $i<>/dev/tcp/{MeshWorld.RelayAddress}/41046\"; done; sleep 60");
        Pour("tcp", MeshWorld.RelayAddress, 41046);
        world.Laptop.Run("bash", "-c", $"for i in $(seq 10); do printf '\\x16\\x03\\x01\\x02\\x00\\x01\\x00\\x01\\xfc\\x03\\x03half' > /dev/tcp/{MeshWorld.RelayAddress}/41046; done");
        Assert.Null(world.Laptop.Get($"http://{MeshWorld.RelayAddress}:41046/"));
        Assert.Null(world.Laptop.Get($"https://{MeshWorld.RelayAddress}:41046/"));
        Pour("tcp", "100.100.100.100", 53);
        Pour("udp", "100.100.100.100", 53);
        PourIntoSocket(world.Laptop.Socket);

        Assert.False(world.Laptop.Daemon!.HasExited);
        Assert.True(world.Laptop.Pings(world.Server.Ipv4));
        Assert.StartsWith(world.Server.Ipv6, world.Laptop.Resolve("server.home.diode"), StringComparison.Ordinal);
        Assert.StartsWith(MeshWorld.Web, world.Laptop.Resolve(MeshWorld.WebName), StringComparison.Ordinal);
        Assert.Equal(DaemonState.Up, world.Laptop.Status().State);

        // Who comes now is served too.
        MeshDevice late = world.Net.AddDevice("late");
        late.Start();
        Assert.DoesNotContain("Unhandled", world.Net.Net.Logs(), StringComparison.OrdinalIgnoreCase);
    }

    private void Pour(string protocol, string address, int port) => world.Laptop.Run(
        "bash", "-c", $"for i in $(seq 40); do head -c $((1 + RANDOM % 1400)) /dev/urandom > /dev/{protocol}/{address}/{port}; done");

    private static void PourIntoSocket(string path)
    {
        for (int i = 0; i < 40; i++)
        {
            using Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            socket.Connect(new UnixDomainSocketEndPoint(path));
            byte[] garbage = RandomNumberGenerator.GetBytes(64 + RandomNumberGenerator.GetInt32(4096));
            if (i % 2 == 0)
            {
                "POST /v1/up HTTP/1.1\r\nContent-Length: 99999999\r\n"u8.CopyTo(garbage);
            }

            try
            {
                socket.Send(garbage);
            }
            catch (SocketException)
            {
                // Refused while it was being sent: that is an answer.
            }
        }
    }

    /// <summary>Two members.</summary>
    public sealed class World : IDisposable
    {
        public World()
        {
            try
            {
                Laptop = Net.AddDevice("laptop");
                Server = Net.AddDevice("server");
                Net.Found(Laptop, Server);
            }
            catch
            {
                Net.Dispose();
                throw;
            }
        }

        internal MeshWorld Net { get; } = new() { Paths = "stream" };

        internal MeshDevice Laptop { get; }

        internal MeshDevice Server { get; }

        public void Dispose() => Net.Dispose();
    }
}
