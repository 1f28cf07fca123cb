using System.Net;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.JsonRpc;
using Diode.Tunnel.Ethereum.Rlp;
using Diode.Tunnel.Relay.Chains;
using Diode.Tunnel.Relay.Rpc;
using Diode.Tunnel.Testing;
using Diode.Tunnel.Testing.Relay;
using Microsoft.Extensions.Logging.Abstractions;

namespace Diode.Tunnel.Tests.Relay.Rpc;

/// <summary>The JSON-RPC interface of a relay on a loopback port, with a manual clock.</summary>
internal sealed class RpcServerWorld : IAsyncDisposable
{
    private readonly ChainGateway _chains;
    private readonly RpcProxy _proxy = new(1, "127.0.0.1");
    private readonly RpcServer _server;

    public RpcServerWorld(params ChainSource[] chains)
    {
        Time = new ManualTimeProvider(DateTimeOffset.FromUnixTimeMilliseconds(RelayWorld.StartMs));
        _chains = new ChainGateway(chains, Relay.Core.Counters, TimeProvider.System, NullLogger.Instance);
        Relay.Core.Chains = _chains;
        _chains.Start();
        var identity = new RpcIdentity(Relay.Key, Relay.Core.Announcement);
        var usage = new UsageHistory(Relay.Core);
        var methods = new RpcMethods(Relay.Core, _chains, identity, usage, _proxy, Time);
        Rpc = new RpcCore(methods, Relay.Core.Counters);
        Sockets = new DeviceSockets(Relay.Core.Counters);
        Relay.Core.Listeners = Sockets;
        Services = new RpcServices(Relay.Core, _chains, Rpc, Sockets, identity, Time);
        var metrics = new MetricsPage(() => Relay.Core.Counters.Read(), () => [new("sessions", 3)], () => IsHealthy);
        _server = new RpcServer(
            new RpcOptions
            {
                Listen = [new IPEndPoint(IPAddress.Loopback, 0)],
                MetricsListen = [new IPEndPoint(IPAddress.Loopback, 0)],
            },
            Services,
            usage,
            metrics);
    }

    public RelayWorld Relay { get; } = new();

    public ManualTimeProvider Time { get; }

    public RpcCore Rpc { get; }

    public RpcServices Services { get; }

    public DeviceSockets Sockets { get; }

    public bool IsHealthy { get; set; } = true;

    public HttpClient Http { get; } = new();

    public Uri Uri => new($"http://{_server.Endpoints[0]}/");

    public Uri MetricsUri => new($"http://{_server.MetricsEndpoints[0]}/");

    public async Task<RpcServerWorld> StartAsync()
    {
        await _server.StartAsync();
        return this;
    }

    public async Task<(int Status, string Body)> PostAsync(string body)
    {
        using var content = new ByteArrayContent(Encoding.UTF8.GetBytes(body));
        using HttpResponseMessage response = await Http.PostAsync(Uri, content);
        return ((int)response.StatusCode, await response.Content.ReadAsStringAsync());
    }

    public async Task<RpcTestSocket> ConnectAsync()
    {
        var socket = new ClientWebSocket();
        await socket.ConnectAsync(new Uri($"ws://{_server.Endpoints[0]}/ws"), default);
        return new RpcTestSocket(socket);
    }

    /// <summary>The parameter of <c>dio_ticket</c>.</summary>
    public string Ticket(PrivateKey device, ulong bytes, ulong connections = 1)
    {
        var writer = new RlpWriter();
        new TicketV2
        {
            ChainId = 1284,
            EpochNumber = RelayWorld.Epoch,
            Fleet = new Address(new byte[20]),
            Server = Relay.Core.Address,
            TotalConnections = connections,
            TotalBytes = bytes,
        }.Sign(device).WriteSubmission(writer);
        return EthereumJson.Data(writer.WrittenSpan);
    }

    public long Count(string counter) => Relay.Core.Counters.Read().First(pair => pair.Key == counter).Value;

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await _server.DisposeAsync();
        _chains.Dispose();
        _proxy.Dispose();
    }
}

/// <summary>A client's end of a WebSocket.</summary>
internal sealed class RpcTestSocket(ClientWebSocket socket) : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    public ClientWebSocket Socket => socket;

    public Task SendAsync(string text)
    {
        return socket.SendAsync(Encoding.UTF8.GetBytes(text), WebSocketMessageType.Text, true, default);
    }

    /// <summary>The next message; null when the relay closed.</summary>
    public async Task<JsonElement?> ReceiveAsync()
    {
        using var limit = new CancellationTokenSource(Patience);
        var collected = new MemoryStream();
        byte[] buffer = new byte[1 << 16];
        try
        {
            while (true)
            {
                ValueWebSocketReceiveResult piece = await socket.ReceiveAsync(buffer.AsMemory(), limit.Token);
                if (piece.MessageType == WebSocketMessageType.Close)
                {
                    return null;
                }

                collected.Write(buffer, 0, piece.Count);
                if (piece.EndOfMessage)
                {
                    using JsonDocument document = JsonDocument.Parse(collected.ToArray());
                    return document.RootElement.Clone();
                }
            }
        }
        catch (WebSocketException)
        {
            return null;
        }
    }

    public async Task<string> AskAsync(string method, string parameters)
    {
        await SendAsync($$"""{"jsonrpc":"2.0","id":1,"method":"{{method}}","params":{{parameters}}}""");
        return (await ReceiveAsync())?.GetRawText() ?? "closed";
    }

    public void Dispose()
    {
        socket.Abort();
        socket.Dispose();
    }
}
