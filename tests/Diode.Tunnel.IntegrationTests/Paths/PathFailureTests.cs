using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Diode.Tunnel.Control;
using Diode.Tunnel.Control.Models;
using Diode.Tunnel.IntegrationTests.Mesh;
using Diode.Tunnel.IntegrationTests.Namespaces;
using Xunit;
using Xunit.Abstractions;

namespace Diode.Tunnel.IntegrationTests.Paths;

/// <summary>Direct paths through failures: a restart, and a pulled cable with traffic on it.</summary>
public sealed partial class PathFailureTests(PathFailureTests.World mesh, ITestOutputHelper output) : IClassFixture<PathFailureTests.World>
{
    private const string Internet = "inet";

    [Fact]
    public void After_a_cold_start_the_path_is_direct_within_a_second_of_the_first_packet()
    {
        mesh.Server.Stop();
        mesh.Server.Start();
        using ControlClient client = mesh.Laptop.Control();
        Stopwatch watch = Stopwatch.StartNew();
        mesh.Net.Net.WaitUntil("the first echo", TimeSpan.FromSeconds(15), () => mesh.Laptop.Pings(mesh.Server.Ipv4, 1));
        double first = watch.Elapsed.TotalSeconds;
        mesh.Net.Net.WaitUntil("a direct path", TimeSpan.FromSeconds(15), () => Kind(client) == PathKind.DirectUdp);
        double direct = watch.Elapsed.TotalSeconds;
        output.WriteLine($"first echo after {first:0.00} s, direct {direct - first:0.000} s later");
        Assert.InRange(direct - first, 0, 2);
    }

    [Fact]
    public void After_three_seconds_without_cable_the_next_packet_arrives_at_once()
    {
        using Transfer transfer = mesh.Start(14);
        using HostedProcess ping = mesh.Net.Net.Start("laptop", "ping", "-n", "-D", "-i", "0.01", mesh.Server.Ipv4);
        Thread.Sleep(3000);
        mesh.Net.Net.Check(Internet, "ip", "link", "set", "server", "down");
        Thread.Sleep(3000);
        mesh.Net.Net.Check(Internet, "ip", "link", "set", "server", "up");
        double up = (DateTime.UtcNow - DateTime.UnixEpoch).TotalSeconds;
        Thread.Sleep(4000);
        double first = EchoTime().Matches(ping.Output)
            .Select(static m => double.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture))
            .First(t => t > up - 0.5);
        output.WriteLine($"first echo {(first - up) * 1000:0} ms after the cable was back");
        Assert.InRange(first - up, -0.5, 0.25);
        transfer.AssertWhole(output);
    }

    private PathKind Kind(ControlClient client) =>
        client.GetStatusAsync().GetAwaiter().GetResult().Peers.First(p => p.Device == mesh.Server.Address).Path.Kind;

    [GeneratedRegex(@"^\[(\d+\.\d+)\] \d+ bytes from", RegexOptions.Multiline)]
    private static partial Regex EchoTime();

    /// <summary>One TCP connection at full speed for some seconds.</summary>
    internal sealed class Transfer(HostedProcess server, HostedProcess client, int seconds) : IDisposable
    {
        /// <summary>It ended by itself, in time, and everything that was sent has arrived.</summary>
        public void AssertWhole(ITestOutputHelper output)
        {
            string text = client.WaitForExit(TimeSpan.FromSeconds(seconds + 20));
            Assert.True(client.ExitCode == 0, text);
            Assert.Contains("receiver", text, StringComparison.Ordinal);
            output.WriteLine(string.Join('\n', text.Split('\n').Where(static l => l.Contains("sec", StringComparison.Ordinal))));
        }

        public void Dispose()
        {
            client.Dispose();
            server.Dispose();
        }
    }

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

        internal MeshWorld Net { get; } = new();

        internal MeshDevice Laptop { get; }

        internal MeshDevice Server { get; }

        public void Dispose() => Net.Dispose();

        /// <summary>A transfer from the laptop to another device.</summary>
        internal Transfer Start(int seconds, MeshDevice? to = null)
        {
            to ??= Server;
            to.Check("publish", "5201", "--to", "fleet");
            Net.Net.WaitUntil($"{to.Name} answers", TimeSpan.FromSeconds(20), () => Laptop.Pings(to.Ipv4, 1));
            HostedProcess server = Net.Net.Start(to.Name, "iperf3", "-s", "-1");
            Thread.Sleep(500);
            HostedProcess client = Net.Net.Start(
                "laptop", "iperf3", "-c", to.Ipv4, "-b", "40M", "-i", "1", "-t", seconds.ToString(CultureInfo.InvariantCulture));
            return new Transfer(server, client, seconds);
        }
    }
}
