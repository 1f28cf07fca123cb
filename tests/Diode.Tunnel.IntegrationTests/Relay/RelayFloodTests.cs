using System.Buffers;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.Edge.Messages;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Platform.Tls;
using Diode.Tunnel.Relay.Sessions;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.Relay;

/// <summary>Addresses that flood a relay: what they get is bounded and counted, and two devices from elsewhere go on.</summary>
[Collection("relay in this process")]
[System.Diagnostics.CodeAnalysis.SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes")]
public sealed class RelayFloodTests : IAsyncLifetime
{
    private static readonly IPAddress Flooder = IPAddress.Parse("127.0.0.9");

    private readonly RelayFixture _relay = new(new RelayLimits
    {
        HandshakeTimeout = TimeSpan.FromSeconds(2),
        MaxHandshakesPerAddress = 32,
        MaxConnectionsPerAddress = 50,
    });

    private RelayClient? _first;
    private RelayClient? _second;
    private PortRef _port;

    public async Task InitializeAsync()
    {
        _second = await RelayClient.ConnectAsync(_relay.Node.Uri, onData: (client, port, data) => _ = client.SendAsync(port, data));
        _first = await RelayClient.ConnectAsync(_relay.Node.Uri);
        _port = await _first.OpenAsync(_second.Address, "tcp:7");
    }

    public async Task DisposeAsync()
    {
        await _first!.DisposeAsync();
        await _second!.DisposeAsync();
        await _relay.DisposeAsync();
    }

    [Fact]
    public async Task Half_open_handshakes_are_limited_per_address_and_end()
    {
        List<Socket> sockets = [];
        for (int index = 0; index < 100; index++)
        {
            Socket socket = await ConnectAsync();
            if (index % 2 == 0)
            {
                // Some of a ClientHello.
                await TrySendAsync(socket, new byte[] { 22, 3, 1, 0, 200, 1, 0, 0, 196 });
            }

            sockets.Add(socket);
        }

        await _relay.WaitForAsync(() => Counter("connections_refused") >= 100 - 32, "no limit");
        await AssertOthersGoOnAsync();
        await _relay.WaitForAsync(() => Counter("connections") == 2, "half-open connections stay");
        await AssertOthersGoOnAsync();
        sockets.ForEach(socket => socket.Dispose());
    }

    [Fact]
    public async Task A_handshake_byte_by_byte_does_not_outlive_its_deadline()
    {
        using Socket socket = await ConnectAsync();
        using TlsIdentity identity = MakeIdentity();
        using TlsEngine tls = TlsEngineFactory.Create(TlsRole.Client, identity, static _ => true);
        byte[] hello = new byte[tls.PendingOutput];
        tls.ReadOutput(hello);
        long start = Stopwatch.GetTimestamp();
        int sent = 0;
        while (sent < hello.Length && await TrySendAsync(socket, hello.AsMemory(sent, 1)))
        {
            sent++;
            await Task.Delay(100);
        }

        // About two hundred bytes would take twenty seconds.
        Assert.InRange(sent, 1, hello.Length - 1);
        Assert.InRange(Stopwatch.GetElapsedTime(start).TotalSeconds, 1, 15);
        await _relay.WaitForAsync(() => Counter("connections") == 2, "it stays");
        await AssertOthersGoOnAsync();
    }

    [Fact]
    public async Task Frames_byte_by_byte_disturb_nobody_and_cost_no_memory()
    {
        using Socket socket = await ConnectAsync();
        using TlsIdentity identity = MakeIdentity();
        using TlsEngine tls = TlsEngineFactory.Create(TlsRole.Client, identity, static _ => true);
        await HandshakeAsync(socket, tls);
        await _relay.WaitForAsync(() => _relay.Node.SessionCount == 3, "no session");

        // The longest frame there is, and it never gets complete.
        byte[] frame = new byte[3000];
        frame[0] = 0xff;
        frame[1] = 0xff;
        byte[] output = new byte[256];
        for (int index = 0; index < frame.Length; index++)
        {
            Assert.Equal(TlsResult.Ok, tls.Send(frame.AsSpan(index, 1)));
            int count = tls.ReadOutput(output);
            Assert.True(await TrySendAsync(socket, output.AsMemory(0, count)));
            if (index % 500 == 0)
            {
                await AssertOthersGoOnAsync();
            }
        }

        Assert.Equal(3, _relay.Node.SessionCount);
        socket.Dispose();
        await _relay.WaitForAsync(() => _relay.Node.SessionCount == 2, "it stays");
    }

    [Fact]
    public async Task Connections_of_one_address_are_limited_and_the_others_get_in()
    {
        using TlsIdentity identity = MakeIdentity();
        List<(Socket Socket, TlsEngine Tls)> sessions = [];
        for (int index = 0; index < 50; index++)
        {
            Socket socket = await ConnectAsync();
            TlsEngine tls = TlsEngineFactory.Create(TlsRole.Client, identity, static _ => true);
            await HandshakeAsync(socket, tls);
            sessions.Add((socket, tls));
        }

        for (int index = 0; index < 500; index++)
        {
            using Socket refused = await ConnectAsync();
        }

        await _relay.WaitForAsync(() => Counter("connections_refused") >= 500, "no limit");
        Assert.Equal(52, _relay.Node.SessionCount);
        await using RelayClient another = await RelayClient.ConnectAsync(_relay.Node.Uri);
        await AssertOthersGoOnAsync();
        foreach ((Socket socket, TlsEngine tls) in sessions)
        {
            socket.Dispose();
            tls.Dispose();
        }

        await _relay.WaitForAsync(() => Counter("connections") == 3, "they stay");
    }

    [Fact]
    public async Task Garbage_on_every_port_is_counted_and_ends_itself_only()
    {
        long failed = Counter("handshakes_failed");
        for (int index = 0; index < 60; index++)
        {
            using Socket socket = await ConnectAsync(index % _relay.Node.Endpoints.Count);
            byte[] garbage = (index % 3) switch
            {
                0 => RandomNumberGenerator.GetBytes(500),
                1 => [22, 3, 3, 0x40, 0, .. RandomNumberGenerator.GetBytes(300)],
                _ => "GET / HTTP/1.1\r\nHost: relay\r\n\r\n"u8.ToArray(),
            };
            await TrySendAsync(socket, garbage);
            socket.Shutdown(SocketShutdown.Send);
            byte[] rest = new byte[256];
            while (await TryReceiveAsync(socket, rest) > 0)
            {
            }
        }

        await _relay.WaitForAsync(() => Counter("connections") == 2, "garbage stays");
        Assert.True(Counter("handshakes_failed") - failed + Counter("connections_refused") >= 60);
        await AssertOthersGoOnAsync();
    }

    [Fact]
    public async Task A_storm_of_reconnects_leaves_nothing_behind_and_data_its_turn()
    {
        using TlsIdentity identity = MakeIdentity();
        var longest = TimeSpan.Zero;
        Task storm = Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            for (int index = 0; index < 25; index++)
            {
                using Socket socket = await ConnectAsync();
                using TlsEngine tls = TlsEngineFactory.Create(TlsRole.Client, identity, static _ => true);
                await HandshakeAsync(socket, tls);
            }
        })));
        while (!storm.IsCompleted)
        {
            long start = Stopwatch.GetTimestamp();
            await AssertOthersGoOnAsync();
            TimeSpan took = Stopwatch.GetElapsedTime(start);
            longest = took > longest ? took : longest;
            await Task.Delay(20);
        }

        await storm;
        Assert.InRange(longest.TotalSeconds, 0, 5);
        await _relay.WaitForAsync(() => Counter("connections") == 2 && _relay.Node.SessionCount == 2, "sessions stay");
        Assert.True(Counter("sessions_opened") >= 200);
    }

    private static TlsIdentity MakeIdentity()
    {
        using var key = PrivateKey.Generate();
        byte[] secret = new byte[PrivateKey.Length];
        key.CopyTo(secret);
        return new TlsIdentity(DeviceCertificate.Create(key), secret);
    }

    private static async Task<bool> TrySendAsync(Socket socket, ReadOnlyMemory<byte> bytes)
    {
        try
        {
            await socket.SendAsync(bytes);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private static async Task<int> TryReceiveAsync(Socket socket, Memory<byte> buffer)
    {
        try
        {
            return await socket.ReceiveAsync(buffer).AsTask().WaitAsync(TimeSpan.FromSeconds(30));
        }
        catch (SocketException)
        {
            return 0;
        }
    }

    private static async Task HandshakeAsync(Socket socket, TlsEngine tls)
    {
        byte[] buffer = new byte[8192];
        var plaintext = new ArrayBufferWriter<byte>();
        while (true)
        {
            while (tls.PendingOutput > 0)
            {
                int count = tls.ReadOutput(buffer);
                await socket.SendAsync(buffer.AsMemory(0, count));
            }

            if (tls.IsHandshakeComplete)
            {
                return;
            }

            int received = await socket.ReceiveAsync(buffer).WaitAsync(TimeSpan.FromSeconds(30));
            Assert.True(received > 0, "the relay closed");
            Assert.Equal(TlsResult.Ok, tls.Receive(buffer.AsSpan(0, received), plaintext));
        }
    }

    private async Task<Socket> ConnectAsync(int endpoint = 0)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        socket.Bind(new IPEndPoint(Flooder, 0));
        await socket.ConnectAsync(_relay.Node.Endpoints[endpoint]);
        return socket;
    }

    private long Counter(string name) => _relay.Node.ReadCounters()[name];

    private async Task AssertOthersGoOnAsync()
    {
        long before = _first!.Received;
        await _first.SendAsync(_port, new byte[100]);
        await _relay.WaitForAsync(() => _first.Received == before + 100, "two others do not get through");
    }
}
