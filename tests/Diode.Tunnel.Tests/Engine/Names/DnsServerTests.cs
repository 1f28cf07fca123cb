using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Diode.Tunnel.Engine.Addressing;
using Diode.Tunnel.Engine.Membership;
using Diode.Tunnel.Engine.Names;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Platform;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.Names;

public sealed class DnsServerTests : IAsyncDisposable
{
    private static readonly DnsServerOptions Quick = new() { UpstreamTimeout = TimeSpan.FromMilliseconds(400) };
    private static readonly byte[] Question = DnsQueryBuilder.Query("www.example.com", 1, id: 0xABCD);
    private readonly DnsServer _server = new(Quick);
    private readonly List<IDisposable> _sockets = [];
    private IPEndPoint _endpoint = new(IPAddress.Loopback, 0);

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _sockets.ForEach(s => s.Dispose());
    }

    [Fact]
    public async Task Own_names_are_answered_over_udp_and_tcp()
    {
        Start();
        Address laptop = DnsResponderTests.Device(2);
        var book = AddressBook.Build(DnsResponderTests.Device(1), [laptop], AddressPool.Default, []);
        _server.SetNames(NameTable.Create([DnsResponderTests.Fleet("home", new FleetMember(laptop, "laptop"))], book));
        byte[] query = DnsQueryBuilder.Query("laptop.home.diode", 1);
        string expected = book.Entries[0].LocalIpv4.ToString();
        Assert.Equal([expected], DnsResponderTests.ReadAddresses(await AskUdpAsync(query)));
        byte[][] replies = await AskTcpAsync(query, query);
        Assert.Equal(2, replies.Length);
        Assert.Equal([expected], DnsResponderTests.ReadAddresses(replies[1]));
        Assert.Equal(3, _server.AnsweredCount);
    }

    /// <summary>A name of a chain is asked for once, beside the listener; what can't be found out is no "does not exist".</summary>
    [Fact]
    public async Task Names_that_a_name_service_may_have_are_asked_for()
    {
        List<string> asked = [];
        Address[] devices = [DnsResponderTests.Device(2), DnsResponderTests.Device(3)];
        var book = AddressBook.Build(DnsResponderTests.Device(1), devices, AddressPool.Default, []);
        DnsServer server = null!;
        await using DnsServer made = server = new DnsServer(Quick)
        {
            NameAsked = async (name, _) =>
            {
                await Task.Yield();
                asked.Add(name);
                server.SetNames(NameTable.Create([], book, name == "my-first-name" ? [KeyValuePair.Create(name, (System.Collections.Immutable.ImmutableArray<Address>)[.. devices])] : []));
                return name != "unreachable-name";
            },
        };
        made.Start([_endpoint]);
        _endpoint = made.Endpoints[0];
        string[] expected = [.. book.Entries.ToArray().Select(static e => e.LocalIpv4.ToString())];
        Assert.Equal(expected, DnsResponderTests.ReadAddresses(await AskUdpAsync(DnsQueryBuilder.Query("My-First-Name.diode", 1))));
        Assert.Equal(expected, DnsResponderTests.ReadAddresses((await AskTcpAsync(DnsQueryBuilder.Query("my-first-name.diode", 1)))[0]));
        Assert.Equal(2, DnsMessage.Code(await AskUdpAsync(DnsQueryBuilder.Query("unreachable-name.diode", 1))));
        Assert.Equal(3, DnsMessage.Code(await AskUdpAsync(DnsQueryBuilder.Query("nobody-has-it.diode", 1))));
        foreach (string other in (string[])["short.diode", "two.labels-long.diode", "under_score_name.diode"])
        {
            Assert.Equal(3, DnsMessage.Code(await AskUdpAsync(DnsQueryBuilder.Query(other, 1))));
        }

        Assert.Equal(["my-first-name", "unreachable-name", "nobody-has-it"], asked);
    }

    [Fact]
    public async Task Without_upstreams_the_answer_is_SERVFAIL()
    {
        Start();
        byte[] reply = await AskUdpAsync(Question);
        Assert.Equal(2, DnsMessage.Code(reply));
        Assert.Equal(Question[..2], reply[..2]);
        Assert.Equal(2, DnsMessage.Code((await AskTcpAsync(Question))[0]));
        Assert.Equal(2, _server.FailedCount);
    }

    [Fact]
    public async Task Other_names_are_forwarded_with_another_id_and_port_each_time()
    {
        var seen = new List<(ushort Id, int Port)>();
        IPEndPoint upstream = StartUpstream((query, from) =>
        {
            lock (seen)
            {
                seen.Add((BinaryPrimitives.ReadUInt16BigEndian(query), from.Port));
            }

            return [DnsQueryBuilder.Response(query)];
        });
        Start();
        _server.SetUpstreams([upstream], "system");
        for (int i = 0; i < 5; i++)
        {
            byte[] reply = await AskUdpAsync(Question);
            Assert.Equal(Question[..2], reply[..2]);
            Assert.Equal(["9.9.9.9"], DnsResponderTests.ReadAddresses(reply));
        }

        Assert.True(seen.Select(s => s.Id).Distinct().Count() >= 4);
        Assert.True(seen.Select(s => s.Port).Distinct().Count() >= 4);
        Assert.Equal(("system", 5L), (_server.Upstreams.Reason, _server.ForwardedCount));
    }

    [Fact]
    public async Task Wrong_ids_wrong_questions_and_rubbish_are_not_taken()
    {
        IPEndPoint upstream = StartUpstream((query, _) =>
        {
            byte[] wrongId = DnsQueryBuilder.Response(query, code: 3);
            wrongId[0] ^= 1;
            byte[] wrongQuestion = DnsQueryBuilder.Response(query, code: 3);
            wrongQuestion[14] ^= 1;
            return [wrongId, wrongQuestion, query, [1, 2, 3], DnsQueryBuilder.Response(query)];
        });
        Start();
        _server.SetUpstreams([upstream], "system");
        Assert.Equal(["9.9.9.9"], DnsResponderTests.ReadAddresses(await AskUdpAsync(Question)));
    }

    [Fact]
    public async Task The_next_upstream_is_asked_after_silence_or_failure()
    {
        IPEndPoint silent = StartUpstream((_, _) => []);
        IPEndPoint broken = StartUpstream((query, _) => [DnsQueryBuilder.Response(query, code: 2)]);
        IPEndPoint good = StartUpstream((query, _) => [DnsQueryBuilder.Response(query)]);
        Start();
        _server.SetUpstreams([silent, broken, good], "system");
        Assert.Equal(["9.9.9.9"], DnsResponderTests.ReadAddresses(await AskUdpAsync(Question)));
        _server.SetUpstreams([silent], "system");
        Assert.Equal(2, DnsMessage.Code(await AskUdpAsync(Question)));
    }

    [Fact]
    public async Task Swapping_upstreams_breaks_off_what_is_under_way()
    {
        using var asked = new SemaphoreSlim(0);
        int afterSwap = 0;
        bool swapped = false;
        IPEndPoint slow = StartUpstream((_, _) =>
        {
            afterSwap += Volatile.Read(ref swapped) ? 1 : 0;
            asked.Release();
            return [];
        });
        IPEndPoint exit = StartUpstream((query, _) => [DnsQueryBuilder.Response(query)]);
        await using var server = new DnsServer(Quick with { UpstreamTimeout = TimeSpan.FromSeconds(30) });
        server.Start([new IPEndPoint(IPAddress.Loopback, 0)]);
        server.SetUpstreams([slow], "system");
        _endpoint = server.Endpoints[0];
        Task<byte[]> reply = AskUdpAsync(Question);
        await asked.WaitAsync(TimeSpan.FromSeconds(5));
        Volatile.Write(ref swapped, true);
        server.SetUpstreams([exit], "exit de");
        Assert.Equal(["9.9.9.9"], DnsResponderTests.ReadAddresses(await reply));
        Assert.Equal(0, afterSwap);
        server.SetUpstreams([], "blocked");
        Assert.Equal(2, DnsMessage.Code(await AskUdpAsync(Question)));
    }

    [Fact]
    public async Task Tcp_queries_go_upstream_over_tcp()
    {
        var listener = new TcpListener(IPAddress.Loopback, 0);
        _sockets.Add(listener);
        listener.Start();
        Task upstream = Task.Run(async () =>
        {
            using TcpClient client = await listener.AcceptTcpClientAsync();
            NetworkStream stream = client.GetStream();
            byte[] reply = DnsQueryBuilder.Response(await ReadFramedAsync(stream));
            await stream.WriteAsync(Framed(reply));
        });
        Start();
        _server.SetUpstreams([(IPEndPoint)listener.LocalEndpoint], "system");
        Assert.Equal(["9.9.9.9"], DnsResponderTests.ReadAddresses((await AskTcpAsync(Question))[0]));
        await upstream;
    }

    [Fact]
    public async Task It_never_asks_itself()
    {
        Start();
        _server.SetUpstreams([_endpoint], "loop");
        Assert.Empty(_server.Upstreams.Servers);
        Assert.Equal(2, DnsMessage.Code(await AskUdpAsync(Question)));
    }

    [Fact]
    public async Task Queries_in_flight_are_bounded()
    {
        IPEndPoint silent = StartUpstream((_, _) => []);
        await using var server = new DnsServer(Quick with { MaxInFlight = 4, MaxAttempts = 1, UpstreamTimeout = TimeSpan.FromSeconds(2) });
        server.Start([new IPEndPoint(IPAddress.Loopback, 0)]);
        server.SetUpstreams([silent], "system");
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        await client.ConnectAsync(server.Endpoints[0]);
        for (int i = 0; i < 8; i++)
        {
            await client.SendAsync(DnsQueryBuilder.Query("www.example.com", 1, id: (ushort)i));
        }

        // Those over the bound are refused at once, long before the time-out of the others.
        byte[] buffer = new byte[512];
        using var soon = new CancellationTokenSource(TimeSpan.FromSeconds(1.5));
        for (int i = 0; i < 4; i++)
        {
            int length = await client.ReceiveAsync(buffer, SocketFlags.None, soon.Token);
            Assert.Equal(2, DnsMessage.Code(buffer.AsSpan(0, length)));
        }
    }

    [Fact]
    public async Task Garbage_is_survived_on_both_transports()
    {
        Start();
        var random = new Random(8);
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        for (int i = 0; i < 2_000; i++)
        {
            byte[] garbage = new byte[random.Next(80)];
            random.NextBytes(garbage);
            await client.SendToAsync(garbage, _endpoint);
        }

        for (int i = 0; i < 20; i++)
        {
            using var tcp = new TcpClient();
            await tcp.ConnectAsync(_endpoint);
            byte[] garbage = new byte[random.Next(80)];
            random.NextBytes(garbage);
            await tcp.GetStream().WriteAsync(garbage);
        }

        Assert.Equal(2, DnsMessage.Code(await AskUdpAsync(Question)));
        Assert.Equal(2, DnsMessage.Code((await AskTcpAsync(Question))[0]));
    }

    [Fact]
    public async Task A_taken_address_is_a_clear_error()
    {
        Start();
        await using var second = new DnsServer();
        PlatformException error = Assert.Throws<PlatformException>(() => second.Start([_endpoint]));
        Assert.Contains(_endpoint.ToString(), error.Message, StringComparison.Ordinal);
    }

    private static byte[] Framed(byte[] message)
    {
        return [(byte)(message.Length >> 8), (byte)message.Length, .. message];
    }

    private static async Task<byte[]> ReadFramedAsync(NetworkStream stream)
    {
        byte[] length = new byte[2];
        await stream.ReadExactlyAsync(length);
        byte[] message = new byte[BinaryPrimitives.ReadUInt16BigEndian(length)];
        await stream.ReadExactlyAsync(message);
        return message;
    }

    private void Start()
    {
        _server.Start([new IPEndPoint(IPAddress.Loopback, 0)]);
        _endpoint = _server.Endpoints[0];
    }

    private IPEndPoint StartUpstream(Func<byte[], IPEndPoint, byte[][]> answer)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        _sockets.Add(socket);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _ = Task.Run(async () =>
        {
            byte[] buffer = new byte[4096];
            while (true)
            {
                SocketReceiveFromResult received;
                try
                {
                    received = await socket.ReceiveFromAsync(buffer, new IPEndPoint(IPAddress.Any, 0));
                }
                catch (Exception e) when (e is SocketException or ObjectDisposedException)
                {
                    return;
                }

                foreach (byte[] reply in answer(buffer[..received.ReceivedBytes], (IPEndPoint)received.RemoteEndPoint))
                {
                    await socket.SendToAsync(reply, received.RemoteEndPoint);
                }
            }
        });
        return (IPEndPoint)socket.LocalEndPoint!;
    }

    private async Task<byte[]> AskUdpAsync(byte[] query)
    {
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        await client.ConnectAsync(_endpoint);
        await client.SendAsync(query);
        byte[] buffer = new byte[4096];
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        return buffer[..await client.ReceiveAsync(buffer, SocketFlags.None, limit.Token)];
    }

    private async Task<byte[][]> AskTcpAsync(params byte[][] queries)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(_endpoint);
        NetworkStream stream = client.GetStream();
        await stream.WriteAsync(queries.SelectMany(Framed).ToArray());
        var replies = new List<byte[]>();
        foreach (byte[] _ in queries)
        {
            replies.Add(await ReadFramedAsync(stream));
        }

        return [.. replies];
    }
}
