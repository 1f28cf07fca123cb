using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Diode.Tunnel.Relay.Sessions;
using Xunit;
using Xunit.Abstractions;

namespace Diode.Tunnel.IntegrationTests.Relay;

/// <summary><c>portopen2</c> with real sockets on loopback.</summary>
[Collection("relay in this process")]
public sealed class PhysicalPortTests(ITestOutputHelper output)
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan s_silence = TimeSpan.FromMilliseconds(300);

    [Fact]
    public async Task Tcp_joins_two_connections_until_one_closes()
    {
        await using var relay = new RelayFixture();
        await using RelayClient target = await RelayClient.ConnectAsync(relay.Node.Uri);
        await using RelayClient requester = await RelayClient.ConnectAsync(relay.Node.Uri);
        int port = await requester.OpenPhysicalAsync(target.Address, "80", "rw");
        Assert.Equal(port, await target.WaitPhysicalAcceptedAsync());
        using Socket first = await ConnectAsync(port);
        using Socket second = await ConnectAsync(port);
        byte[] there = RandomNumberGenerator.GetBytes(3_000_000);
        byte[] back = RandomNumberGenerator.GetBytes(2_000_000);
        Task sending = Task.WhenAll(SendAsync(first, there), SendAsync(second, back));
        Task<byte[]> atSecond = ReceiveAsync(second, there.Length);
        Task<byte[]> atFirst = ReceiveAsync(first, back.Length);
        await sending.WaitAsync(s_patience);
        Assert.Equal(there, await atSecond);
        Assert.Equal(back, await atFirst);
        SocketException refused = await Assert.ThrowsAsync<SocketException>(() => ConnectAsync(port));
        Assert.Equal(SocketError.ConnectionRefused, refused.SocketErrorCode);

        // What was sent before the end arrives, then the end.
        await SendAsync(first, "bye"u8.ToArray());
        first.Dispose();
        Assert.Equal("bye"u8.ToArray(), await ReceiveAsync(second, 3));
        Assert.Equal(0, await second.ReceiveAsync(new byte[1]).WaitAsync(s_patience));
        second.Dispose();
        Assert.Equal(port, await target.WaitPhysicalClosedAsync());
        Assert.Equal(5_000_003, relay.Node.ReadCounters()["physical_port_bytes"]);
        Assert.Equal(0, relay.Node.ReadCounters()["physical_ports"]);
        Assert.All(
            relay.Node.Core.Directory.Snapshot(),
            session => Assert.InRange(session.Account.Usage, 5_000_003, 5_003_000));
    }

    [Fact]
    public async Task Tcp_keeps_a_fast_sender_to_the_pace_of_the_reader()
    {
        await using var relay = new RelayFixture();
        await using RelayClient target = await RelayClient.ConnectAsync(relay.Node.Uri);
        await using RelayClient requester = await RelayClient.ConnectAsync(relay.Node.Uri);
        int port = await requester.OpenPhysicalAsync(target.Address, "80", "rw");
        await target.WaitPhysicalAcceptedAsync();
        using Socket first = await ConnectAsync(port);
        using Socket second = await ConnectAsync(port);
        byte[] data = RandomNumberGenerator.GetBytes(48_000_000);
        Task sending = SendAsync(first, data);

        // Nobody reads: what the buffers of the system hold is carried, and then no more.
        long carried = -1;
        while (carried != relay.Node.ReadCounters()["physical_port_bytes"])
        {
            carried = relay.Node.ReadCounters()["physical_port_bytes"];
            await Task.Delay(500);
        }

        Assert.InRange(carried, 1, data.Length - 1);
        Assert.False(sending.IsCompleted);
        byte[] received = await ReceiveAsync(second, data.Length);
        await sending.WaitAsync(s_patience);
        Assert.True(data.AsSpan().SequenceEqual(received));
    }

    [Fact]
    public async Task Udp_swaps_between_the_first_two_senders()
    {
        await using var relay = new RelayFixture();
        await using RelayClient target = await RelayClient.ConnectAsync(relay.Node.Uri);
        await using RelayClient requester = await RelayClient.ConnectAsync(relay.Node.Uri);
        int port = await requester.OpenPhysicalAsync(target.Address, "51820", "rwu");
        Assert.Equal(port, await target.WaitPhysicalAcceptedAsync());
        using Socket one = await ConnectAsync(port, isUdp: true);
        using Socket two = await ConnectAsync(port, isUdp: true);
        using Socket three = await ConnectAsync(port, isUdp: true);

        // Real relays send the first packet back to its sender; ours delivers it to the second.
        await one.SendAsync("u1-1"u8.ToArray());
        Assert.Null(await ReadTextAsync(one, s_silence));
        await two.SendAsync("u2-1"u8.ToArray());
        Assert.Equal("u2-1", await ReadTextAsync(one, s_patience));
        Assert.Equal("u1-1", await ReadTextAsync(two, s_patience));
        await one.SendAsync("u1-2"u8.ToArray());
        Assert.Equal("u1-2", await ReadTextAsync(two, s_patience));
        await two.SendAsync(Array.Empty<byte>());
        Assert.Equal("", await ReadTextAsync(one, s_patience));
        await three.SendAsync("u3-1"u8.ToArray());
        byte[] big = new byte[60_000];
        await two.SendAsync(big);
        Assert.Equal(big.Length, (await ReadTextAsync(one, s_patience))!.Length);
        Assert.Null(await ReadTextAsync(two, s_silence));
        Assert.Null(await ReadTextAsync(three, s_silence));
        Assert.Equal(1, relay.Node.ReadCounters()["physical_port_drops"]);
        Assert.Equal(60_012, relay.Node.ReadCounters()["physical_port_bytes"]);

        await requester.ClosePhysicalAsync(port);
        Assert.Equal(port, await target.WaitPhysicalClosedAsync());
    }

    [Fact]
    public async Task Udp_forwards_bursts()
    {
        const int Burst = 40;
        const int Warmup = 2000;
        const int count = 40_000;
        await using var relay = new RelayFixture();
        await using RelayClient target = await RelayClient.ConnectAsync(relay.Node.Uri);
        await using RelayClient requester = await RelayClient.ConnectAsync(relay.Node.Uri);
        int port = await requester.OpenPhysicalAsync(target.Address, "51820", "rwu");
        await target.WaitPhysicalAcceptedAsync();
        using var one = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        using var two = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        one.Connect(IPAddress.Loopback, port);
        two.Connect(IPAddress.Loopback, port);
        one.ReceiveTimeout = two.ReceiveTimeout = 60_000;
        byte[] packet = new byte[1200];
        byte[] buffer = new byte[2048];
        one.Send("a"u8);
        two.Send("b"u8);
        one.Receive(buffer);
        two.Receive(buffer);
        await Task.Run(() => Bounce(Warmup));
        long start = TimeProvider.System.GetTimestamp();
        await Task.Run(() => Bounce(count));
        double seconds = TimeProvider.System.GetElapsedTime(start).TotalSeconds;
        output.WriteLine($"{count / seconds:F0} datagrams/s in bursts of {Burst}");
        await relay.WaitForAsync(
            () => relay.Node.ReadCounters()["physical_port_bytes"] == ((Warmup + count) * (long)packet.Length) + 2,
            "bytes were not counted");

        void Bounce(int times)
        {
            for (int i = 0; i < times; i += Burst)
            {
                for (int k = 0; k < Burst; k++)
                {
                    one.Send(packet);
                }

                for (int k = 0; k < Burst; k++)
                {
                    two.Receive(buffer);
                }
            }
        }
    }

    [Fact]
    public async Task A_stopped_relay_and_a_lost_device_end_the_port()
    {
        await using var relay = new RelayFixture(new RelayLimits { MaxPhysicalPortsPerDevice = 2 });
        await using RelayClient target = await RelayClient.ConnectAsync(relay.Node.Uri);
        RelayClient requester = await RelayClient.ConnectAsync(relay.Node.Uri);
        int port = await requester.OpenPhysicalAsync(target.Address, "80", "rw");
        await target.WaitPhysicalAcceptedAsync();
        await requester.OpenPhysicalAsync(target.Address, "80", "rwu");
        IOException refused = await Assert.ThrowsAsync<IOException>(
            () => requester.OpenPhysicalAsync(target.Address, "80", "rw"));
        Assert.Contains("too many open ports", refused.Message, StringComparison.Ordinal);
        using Socket first = await ConnectAsync(port);
        await requester.DisposeAsync();
        await AssertEndsAsync(first);
        await relay.WaitForAsync(() => relay.Node.ReadCounters()["physical_ports"] == 0, "ports stay");
        await using RelayClient another = await RelayClient.ConnectAsync(relay.Node.Uri);
        int last = await another.OpenPhysicalAsync(target.Address, "80", "rw");
        await relay.Node.StopAsync();
        await Assert.ThrowsAsync<SocketException>(() => ConnectAsync(last));
    }

    private static async Task<Socket> ConnectAsync(int port, bool isUdp = false)
    {
        Socket socket = isUdp
            ? new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp)
            : new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port));
        return socket;
    }

    /// <summary>A reset is an end, too: the relay may not have taken the connection from its queue yet.</summary>
    private static async Task AssertEndsAsync(Socket socket)
    {
        try
        {
            Assert.Equal(0, await socket.ReceiveAsync(new byte[1]).WaitAsync(s_patience));
        }
        catch (SocketException exception)
        {
            Assert.Equal(SocketError.ConnectionReset, exception.SocketErrorCode);
        }
    }

    private static async Task SendAsync(Socket socket, byte[] data)
    {
        for (int sent = 0; sent < data.Length;)
        {
            sent += await socket.SendAsync(data.AsMemory(sent));
        }
    }

    private static async Task<byte[]> ReceiveAsync(Socket socket, int length)
    {
        byte[] data = new byte[length];
        for (int received = 0; received < length;)
        {
            int count = await socket.ReceiveAsync(data.AsMemory(received)).AsTask().WaitAsync(s_patience);
            Assert.NotEqual(0, count);
            received += count;
        }

        return data;
    }

    private static async Task<string?> ReadTextAsync(Socket socket, TimeSpan within)
    {
        byte[] buffer = new byte[65_536];
        using var timeout = new CancellationTokenSource(within);
        try
        {
            return Encoding.ASCII.GetString(buffer, 0, await socket.ReceiveAsync(buffer, timeout.Token));
        }
        catch (OperationCanceledException)
        {
            return null;
        }
    }
}
