using System.Net.Sockets;
using System.Security.Cryptography;
using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.Edge.Messages;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Relay;
using Diode.Tunnel.Relay.Sessions;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;
using Xunit.Abstractions;

namespace Diode.Tunnel.IntegrationTests.Relay;

/// <summary>The relay with real sockets and real TLS on loopback. Looks at the memory of the whole process.</summary>
[Collection("relay in this process")]
public sealed class RelayNodeTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Two_devices_exchange_data()
    {
        await using var relay = new RelayFixture();
        await using RelayClient target = await RelayClient.ConnectAsync(
            relay.Node.Uri, onData: (client, port, data) => _ = client.SendAsync(port, data));
        byte[] received = [];
        await using RelayClient opener = await RelayClient.ConnectAsync(
            relay.Node.Uri, onData: (_, _, data) => received = [.. received, .. data]);
        PortRef port = await opener.OpenAsync(target.Address, "tcp:7");
        byte[] sent = RandomNumberGenerator.GetBytes(60_000);
        for (int i = 0; i < 20; i++)
        {
            await opener.SendAsync(port, sent.AsMemory(i * 3000, 3000));
        }

        await relay.WaitForAsync(() => received.Length == sent.Length, "the echo is missing");
        Assert.Equal(sent, received);
        Assert.Equal(2, relay.Node.SessionCount);
        Assert.Equal(2, relay.Node.ReadCounters()["tickets_accepted"]);
    }

    [Fact]
    public async Task A_killed_device_closes_its_ports_at_the_other_end()
    {
        await using var relay = new RelayFixture();
        await using RelayClient target = await RelayClient.ConnectAsync(relay.Node.Uri);
        RelayClient opener = await RelayClient.ConnectAsync(relay.Node.Uri);
        await opener.OpenAsync(target.Address, "tcp:1");
        PortRef port = await target.WaitAcceptedAsync();
        opener.Kill();
        Assert.Equal(port, await target.Closed.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(20)));
        await relay.WaitForAsync(() => relay.Node.SessionCount == 1, "the session stays");
        await opener.DisposeAsync();
    }

    [Fact]
    public async Task A_relay_with_another_key_is_not_talked_to()
    {
        await using var relay = new RelayFixture();
        var other = new RelayUri(PrivateKey.Generate().Address, relay.Node.Uri.Host, relay.Node.Uri.Port);
        await Assert.ThrowsAsync<IOException>(() => RelayClient.ConnectAsync(other));
        await relay.WaitForAsync(() => relay.Node.ReadCounters()["connections"] == 0, "the connection stays");
        Assert.Equal(0, relay.Node.SessionCount);
    }

    [Fact]
    public async Task Garbage_on_the_port_ends_only_its_own_connection()
    {
        await using var relay = new RelayFixture();
        await using RelayClient honest = await RelayClient.ConnectAsync(relay.Node.Uri);
        for (int i = 0; i < 40; i++)
        {
            using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(relay.Node.Endpoints[i % 2]);
            byte[] garbage = i % 4 == 0 ? "GET / HTTP/1.1\r\n\r\n"u8.ToArray() : RandomNumberGenerator.GetBytes(1 + (i * 37));
            if (i % 2 == 1)
            {
                // A record header that promises more.
                byte[] header = [22, 3, 3, 0x40, 0];
                header.CopyTo(garbage.AsSpan(0, Math.Min(5, garbage.Length)));
            }

            await socket.SendAsync(garbage);
        }

        await relay.WaitForAsync(() => relay.Node.ReadCounters()["connections"] == 1, "connections stay");
        await using RelayClient another = await RelayClient.ConnectAsync(relay.Node.Uri);
        PortRef port = await another.OpenAsync(honest.Address, "tcp:1");
        await another.SendAsync(port, "alive"u8.ToArray());
        await relay.WaitForAsync(() => honest.Received == 5, "the honest device was disturbed");
    }

    [Fact]
    public async Task A_silent_connection_is_ended_at_the_handshake_deadline()
    {
        await using var relay = new RelayFixture(
            new RelayLimits { HandshakeTimeout = TimeSpan.FromSeconds(1), MaxHandshakesPerAddress = 3 });
        List<Socket> sockets = [];
        for (int i = 0; i < 6; i++)
        {
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(relay.Node.Endpoints[0]);
            sockets.Add(socket);
        }

        await relay.WaitForAsync(() => relay.Node.ReadCounters()["connections_refused"] == 3, "no limit");
        await relay.WaitForAsync(() => relay.Node.ReadCounters()["connections"] == 0, "no deadline");
        sockets.ForEach(socket => socket.Dispose());
    }

    [Fact]
    public async Task Many_idle_sessions_are_cheap()
    {
        const int count = 200;
        await using var relay = new RelayFixture(new RelayLimits { MaxHandshakesPerAddress = 1000 });
        List<RelayClient> clients = [];
        await using RelayClient warmUp = await RelayClient.ConnectAsync(relay.Node.Uri);
        GC.Collect();
        long before = GC.GetTotalMemory(true);
        long residentBefore = Environment.WorkingSet;
        for (int i = 0; i < count; i++)
        {
            clients.Add(await RelayClient.ConnectAsync(relay.Node.Uri));
        }

        Assert.Equal(count + 1, relay.Node.SessionCount);
        GC.Collect();
        output.WriteLine($"managed per pair of relay session and test client: {(GC.GetTotalMemory(true) - before) / count} B");
        output.WriteLine($"resident per pair of relay session and test client: {(Environment.WorkingSet - residentBefore) / count} B");
        foreach (RelayClient client in clients)
        {
            await client.DisposeAsync();
        }

        await relay.WaitForAsync(() => relay.Node.SessionCount == 1, "sessions stay");
    }

    [Fact]
    public async Task A_slow_reader_is_throttled_then_cut_and_others_do_not_feel_it()
    {
        await using var relay = new RelayFixture(new RelayLimits { SlowReaderTimeout = TimeSpan.FromSeconds(3) });
        RelayClient slow = await RelayClient.ConnectAsync(relay.Node.Uri);
        await using RelayClient flooder = await RelayClient.ConnectAsync(relay.Node.Uri);
        await using RelayClient echo = await RelayClient.ConnectAsync(
            relay.Node.Uri, onData: (client, port, data) => _ = client.SendAsync(port, data));
        await using RelayClient asker = await RelayClient.ConnectAsync(relay.Node.Uri);
        PortRef flood = await flooder.OpenAsync(slow.Address, "tcp:1");
        PortRef good = await asker.OpenAsync(echo.Address, "tcp:1");
        slow.Pause();
        GC.Collect();
        long before = GC.GetTotalMemory(true);
        byte[] chunk = new byte[16_000];
        long sent = 0;
        using var stop = new CancellationTokenSource();
        Task flooding = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                await flooder.SendAsync(flood, chunk);
                sent += chunk.Length;
            }
        });
        await relay.WaitForAsync(() => relay.Node.ReadCounters()["senders_throttled"] > 0, "never throttled");
        long atThrottle = sent;
        long slowest = 0;
        for (int i = 1; i <= 20; i++)
        {
            long start = TimeProvider.System.GetTimestamp();
            await asker.SendAsync(good, new byte[100]);
            await relay.WaitForAsync(() => asker.Received == 100 * i, "others are stuck");
            slowest = Math.Max(slowest, (long)TimeProvider.System.GetElapsedTime(start).TotalMilliseconds);
        }

        long grown = GC.GetTotalMemory(true) - before;
        await relay.WaitForAsync(() => relay.Node.ReadCounters()["slow_readers_cut"] > 0, "never cut");
        await flooder.Closed.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(20));
        await stop.CancelAsync();
        await flooding.WaitAsync(TimeSpan.FromSeconds(20));
        Assert.False(flooder.Ended.IsCompleted);
        await relay.WaitForAsync(() => relay.Node.SessionCount == 3, "the slow reader stays");
        output.WriteLine($"throttled after {atThrottle} B, heap grew by {grown} B, slowest echo of others {slowest} ms");
        Assert.InRange(grown, long.MinValue, 16 * 1024 * 1024);
        await slow.DisposeAsync();
    }

    [Fact]
    public async Task A_port_in_use_is_named_with_what_to_do()
    {
        await using var relay = new RelayFixture();
        var options = relay.Options with { Listen = [relay.Node.Endpoints[0]] };
        PlatformException exception = Assert.Throws<PlatformException>(
            () => new RelayNode(options, NullLogger.Instance));
        Assert.Contains($"127.0.0.1:{relay.Node.Endpoints[0].Port}", exception.Message, StringComparison.Ordinal);
        Assert.Contains("--listen", exception.Hint, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_key_is_kept_and_private()
    {
        await using var relay = new RelayFixture();
        string file = Path.Combine(relay.Folder, "relay.key");
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        await using var again = new RelayNode(relay.Options, NullLogger.Instance);
        Assert.Equal(relay.Node.Address, again.Address);

        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherRead);
        Assert.Throws<PlatformException>(() => new RelayNode(relay.Options, NullLogger.Instance));
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        File.WriteAllText(file, "nonsense");
        Assert.Throws<PlatformException>(() => new RelayNode(relay.Options, NullLogger.Instance));
    }

    [Fact]
    public async Task Stopping_ends_sessions_and_frees_the_ports()
    {
        await using var relay = new RelayFixture();
        await using RelayClient client = await RelayClient.ConnectAsync(relay.Node.Uri);
        await relay.Node.StopAsync();
        await client.Ended.WaitAsync(TimeSpan.FromSeconds(20));
        Assert.Equal(0, relay.Node.SessionCount);
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(relay.Node.Endpoints[0]);
    }
}
