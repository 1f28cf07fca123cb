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

/// <summary>Direct paths through failures, with traffic on them: relay killed, cable pulled, address changed, a narrow link.</summary>
public sealed partial class PathFailureTests(PathFailureTests.World mesh, ITestOutputHelper output) : IClassFixture<PathFailureTests.World>
{
    private const string Internet = "inet";
    private const string Restarted = "was restarted";
    private const string ChannelOpen = "open; its port";

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
    public void A_transfer_goes_on_when_the_relay_is_killed_and_the_path_stays_direct()
    {
        // Without a relay they look for one every 15 s.
        using Transfer transfer = mesh.Start(30);
        using ControlClient client = mesh.Laptop.Control();
        int met = CountLines(Restarted);
        int opened = CountLines(ChannelOpen);
        Thread.Sleep(3000);
        mesh.Net.KillRelay();
        Thread.Sleep(5000);
        Assert.Equal(PathKind.DirectUdp, Kind(client));
        mesh.Net.StartRelay();
        mesh.Laptop.WaitReady();
        mesh.Server.WaitReady();
        mesh.Net.Net.WaitUntil("a new control channel", TimeSpan.FromSeconds(30), () => CountLines(ChannelOpen) > opened);
        transfer.AssertWhole(output, isSteady: true);
        Assert.Equal(PathKind.DirectUdp, Kind(client));

        // The new control channel is to the same run of the server: no new secrets, no new session, nothing measured anew.
        Assert.Equal(met, CountLines(Restarted));
    }

    [Fact]
    public void A_transfer_goes_on_when_the_address_changes_and_there_is_no_relay()
    {
        using Transfer transfer = mesh.Start(20);
        Thread.Sleep(2000);
        mesh.Net.KillRelay();
        Thread.Sleep(2000);
        string address = mesh.MoveLaptop();
        Thread.Sleep(6000);
        mesh.Net.StartRelay();
        transfer.AssertWhole(output);
        mesh.Laptop.WaitReady();
        mesh.Server.WaitReady();
        PeerStatus laptop = mesh.Server.Peer(mesh.Laptop);
        Assert.Equal((PathKind.DirectUdp, $"{address}:41042"), (laptop.Path.Kind, laptop.Endpoint));
    }

    [Fact]
    public void After_three_seconds_without_cable_the_next_packet_arrives_at_once()
    {
        using Transfer transfer = mesh.Start(14);
        using HostedProcess ping = mesh.Net.Net.Start("laptop", "ping", "-n", "-D", "-i", "0.01", mesh.Server.Ipv4);
        using HostedProcess bare = mesh.Net.Net.Start("laptop", "ping", "-n", "-D", "-i", "0.01", mesh.Server.UplinkAddress);
        Thread.Sleep(3000);
        mesh.Net.Net.Check(Internet, "ip", "link", "set", "server", "down");
        Thread.Sleep(3000);
        mesh.Net.Net.Check(Internet, "ip", "link", "set", "server", "up");
        double up = (DateTime.UtcNow - DateTime.UnixEpoch).TotalSeconds;
        Thread.Sleep(4000);

        // The kernel switches a cable on up to a second after the command, so the bare network is the measure.
        (double first, double firstBare) = (FirstEchoAfter(ping, up - 0.5), FirstEchoAfter(bare, up - 0.5));
        output.WriteLine($"first echo {(first - firstBare) * 1000:0} ms after that outside the tunnel, which was {(firstBare - up) * 1000:0} ms after the command");
        Assert.True(first - firstBare < 0.25, mesh.Net.Net.Logs());
        transfer.AssertWhole(output);
    }

    [Fact]
    public void A_transfer_goes_on_when_the_address_changes()
    {
        using Transfer transfer = mesh.Start(14);
        Thread.Sleep(3000);
        string address = mesh.MoveLaptop();
        transfer.AssertWhole(output);
        PeerStatus laptop = mesh.Server.Peer(mesh.Laptop);
        Assert.Equal((PathKind.DirectUdp, $"{address}:41042"), (laptop.Path.Kind, laptop.Endpoint));
        mesh.Laptop.WaitReady();

        // The session it could not close is not what others meet it at.
        mesh.RestartPhone();
        MeshWorld.WaitMeshed(mesh.Phone, mesh.Laptop);
    }

    [Fact]
    public void A_narrow_link_black_holes_nothing()
    {
        Topology net = mesh.Net.Net;
        net.Check(Internet, "ip", "link", "set", "phone", "mtu", "1280");
        net.Check("phone", "ip", "link", "set", "up0", "mtu", "1280");
        mesh.RestartPhone();
        MeshWorld.WaitMeshed(mesh.Laptop, mesh.Phone);

        // Every size arrives, however soon after the restart.
        AssertEcho(mesh.Laptop, mesh.Phone.Ipv4, 1200);
        AssertEcho(mesh.Phone, mesh.Laptop.Ipv6, 1200);
        mesh.Laptop.WaitStatus("direct to the phone", s => s.Peers.Any(p => p.Device == mesh.Phone.Address && p.Path.Kind == PathKind.DirectUdp));
        foreach (int size in new[] { 56, 1100, 1200, 1250, 1300, 1392 })
        {
            AssertEcho(mesh.Laptop, mesh.Phone.Ipv4, size);
            AssertEcho(mesh.Phone, mesh.Laptop.Ipv6, size);
        }

        using Transfer transfer = mesh.Start(6, mesh.Phone);
        transfer.AssertWhole(output);
    }

    /// <summary>
    /// One of three packets within a second is answered: just after a restart one may meet a session or a port that is being replaced.
    /// Packets that do not fit are cut by the sender, or it is told (IPv6).
    /// </summary>
    private void AssertEcho(MeshDevice from, string to, int size)
    {
        string text = size.ToString(CultureInfo.InvariantCulture);
        Assert.True(
            from.Run("ping", "-n", "-c", "3", "-i", "0.4", "-W", "4", "-M", "dont", "-s", text, to).ExitCode == 0,
            $"{size} bytes, {from.Name} to {to}\n{mesh.Laptop.Check("status", "--json")}\n{mesh.Phone.Check("status", "--json")}\n{mesh.Net.Net.Logs()}");
    }

    private PathKind Kind(ControlClient client) =>
        client.GetStatusAsync().GetAwaiter().GetResult().Peers.First(p => p.Device == mesh.Server.Address).Path.Kind;

    /// <summary>What the laptop's daemon has logged of the server.</summary>
    private int CountLines(string text) => mesh.Laptop.Daemon!.Output.Split('\n')
        .Count(l => l.Contains(mesh.Server.Address, StringComparison.Ordinal) && l.Contains(text, StringComparison.Ordinal));

    private static double FirstEchoAfter(HostedProcess ping, double time) => EchoTime().Matches(ping.Output)
        .Select(static m => double.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture))
        .First(t => t > time);

    [GeneratedRegex(@"^\[(\d+\.\d+)\] \d+ bytes from", RegexOptions.Multiline)]
    private static partial Regex EchoTime();

    /// <summary>One TCP connection at full speed for some seconds.</summary>
    internal sealed class Transfer(HostedProcess server, HostedProcess client, int seconds) : IDisposable
    {
        /// <summary>It ended by itself, in time, and everything that was sent has arrived.</summary>
        public void AssertWhole(ITestOutputHelper output, bool isSteady = false)
        {
            string text = client.WaitForExit(TimeSpan.FromSeconds(seconds + 20));
            Assert.True(client.ExitCode == 0, text);
            Assert.Contains("receiver", text, StringComparison.Ordinal);
            Assert.False(isSteady && text.Contains(" 0.00 Bytes ", StringComparison.Ordinal), text);
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
        private bool _hasOtherNetwork;
        private bool _isLaptopAway;

        public World()
        {
            try
            {
                Laptop = Net.AddDevice("laptop");
                Server = Net.AddDevice("server");
                Phone = Net.AddDevice("phone");
                Laptop.Options = Server.Options = Phone.Options = ["--log-level", "debug"];
                Net.Found(Laptop, Server, Phone);
                Phone.Stop();
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

        internal MeshDevice Phone { get; }

        public void Dispose() => Net.Dispose();

        /// <summary>The laptop gets an address of another network, and loses the one it had.</summary>
        internal string MoveLaptop()
        {
            (string gateway, string address) = _isLaptopAway
                ? (Laptop.UplinkAddress[..^1] + "5", Laptop.UplinkAddress)
                : ("198.51.100.201", "198.51.100.202");
            string before = _isLaptopAway ? "198.51.100.202" : Laptop.UplinkAddress;
            if (!_hasOtherNetwork)
            {
                Net.Net.AddAddress(Internet, "laptop", "198.51.100.201/30");
                _hasOtherNetwork = true;
            }

            _isLaptopAway = !_isLaptopAway;
            Net.Net.AddAddress("laptop", "up0", address + "/30");
            Net.Net.Check("laptop", "ip", "route", "replace", "default", "via", gateway);
            Net.Net.Check("laptop", "ip", "address", "del", before + "/30", "dev", "up0");
            return address;
        }

        internal void RestartPhone()
        {
            if (Phone.Daemon is { HasExited: false })
            {
                Phone.Stop();
            }

            Phone.Start();
        }

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
