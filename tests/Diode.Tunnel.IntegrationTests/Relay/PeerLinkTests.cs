using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.Edge.Objects;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Relay;
using Diode.Tunnel.Relay.Configuration;
using Diode.Tunnel.Relay.RelayPeers;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.Relay;

/// <summary>Links between relays over real sockets.</summary>
public sealed class PeerLinkTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("diode-links-").FullName;

    public void Dispose()
    {
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Two_relays_that_dial_each_other_at_once_end_with_one_link()
    {
        (RelayUri left, RelayUri right) = (MakeUri("left"), MakeUri("right"));
        await using RelayNode first = Make("left", left, right);
        await using RelayNode second = Make("right", right, left);
        first.Start();
        second.Start();
        await WaitAsync(() => Count(first, "peer_links") == 1 && Count(second, "peer_links") == 1, "linked");
        await WaitAsync(
            () => Count(first, "peer_connections") == 1 && Count(second, "peer_connections") == 1, "one connection");
        long opened = Count(first, "peer_links_opened");
        await Task.Delay(1500);
        Assert.Equal(opened, Count(first, "peer_links_opened"));
        Assert.Equal(1, Count(first, "peer_connections"));
    }

    [Fact]
    public async Task A_relay_with_another_key_is_not_taken_for_the_expected_one()
    {
        RelayUri place = MakeUri("target");
        using PrivateKey expected = PrivateKey.Generate();
        await using RelayNode target = Make("target", place);
        await using RelayNode dialler = Make("dialler", MakeUri("dialler"), new RelayUri(expected.Address, place.Host, place.Port));
        target.Start();
        dialler.Start();
        await WaitAsync(() => Count(dialler, "peer_wrong_keys") > 0, "the wrong key is noticed");
        Assert.Equal(0, Count(dialler, "peer_links"));
        Assert.True(dialler.Peers!.Network.Core.GetContact(expected.Address).Failures > 0);
    }

    [Fact]
    public async Task What_a_relay_knows_outlives_it()
    {
        RelayUri place = MakeUri("keeper");
        RelayUri other = MakeUri("other");
        await using (RelayNode keeper = Make("keeper", place))
        {
            await using RelayNode visitor = Make("other", other, place);
            keeper.Start();
            visitor.Start();
            await WaitAsync(() => Count(keeper, "peer_links") == 1, "linked");
        }

        await using RelayNode again = Make("keeper", place);
        ServerObject? known = again.Peers!.Network.Core.FindServer(other.Address, DateTimeOffset.UtcNow.ToUnixTimeMilliseconds());
        Assert.NotNull(known);
        Assert.Equal(other.Port, known.PeerPort);
        Assert.NotNull(again.Peers.Network.Core.GetContact(other.Address).LastSeenMs);
    }

    [Fact]
    public async Task Silent_and_talkative_strangers_are_cut()
    {
        RelayUri place = MakeUri("open");
        await using RelayNode relay = Make("open", place);
        relay.Start();
        using var silent = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await silent.ConnectAsync(IPAddress.Loopback, place.Port);
        using var garbage = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await garbage.ConnectAsync(IPAddress.Loopback, place.Port);
        await garbage.SendAsync(new byte[4096]);
        byte[] buffer = new byte[100];
        while (await garbage.ReceiveAsync(buffer) > 0)
        {
            // The alert.
        }

        await WaitAsync(() => Count(relay, "peer_connections") == 1, "only the silent one is left");
        List<Socket> crowd = [];
        for (int i = 0; i < 40; i++)
        {
            var one = new Socket(SocketType.Stream, ProtocolType.Tcp);
            await one.ConnectAsync(IPAddress.Loopback, place.Port);
            crowd.Add(one);
        }

        await WaitAsync(() => Count(relay, "peer_connections_refused") >= 20, "too many handshakes are refused");
        crowd.ForEach(one => one.Dispose());
    }

    private static long Count(RelayNode node, string name)
    {
        return node.ReadCounters()[name];
    }

    private static async Task WaitAsync(Func<bool> condition, string what)
    {
        Stopwatch clock = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(clock.Elapsed < TimeSpan.FromSeconds(20), what);
            await Task.Delay(20);
        }
    }

    private RelayUri MakeUri(string name)
    {
        string folder = Path.Combine(_folder, name);
        Directory.CreateDirectory(folder);
        File.SetUnixFileMode(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        using PrivateKey key = RelayKeyFile.LoadOrCreate(folder, out _);
        using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        probe.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return new RelayUri(key.Address, "127.0.0.1", (ushort)((IPEndPoint)probe.LocalEndPoint!).Port);
    }

    private RelayNode Make(string name, RelayUri own, params RelayUri[] seeds)
    {
        return new RelayNode(
            new RelayOptions
            {
                Listen = [new IPEndPoint(IPAddress.Loopback, 0)],
                StateDirectory = Path.Combine(_folder, name),
                Peers = new PeerOptions { Listen = new IPEndPoint(IPAddress.Loopback, own.Port), Seeds = seeds },
            },
            NullLogger.Instance);
    }
}
