using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.JsonRpc;
using Diode.Tunnel.Relay.Rpc;
using Xunit;

namespace Diode.Tunnel.Tests.Relay.Rpc;

/// <summary>The interface on a real port.</summary>
public sealed class RpcServerTests : IAsyncLifetime, IAsyncDisposable
{
    private readonly RpcServerWorld _world = new();

    public async Task InitializeAsync() => await _world.StartAsync();

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    Task IAsyncLifetime.DisposeAsync() => DisposeAsync().AsTask();

    [Fact]
    public async Task Signs_its_answers()
    {
        using var content = new StringContent("""{"id":1,"method":"net_listening"}""");
        using HttpResponseMessage response = await _world.Http.PostAsync(_world.Uri, content);
        byte[] body = await response.Content.ReadAsByteArrayAsync();
        Assert.True(EthereumJson.TryParseData(response.Headers.GetValues("x-diode-signature").Single(), out byte[]? bytes));
        Assert.True(Signature65.TryFromBytes(bytes, out Signature65 signature));
        Assert.True(signature.TryRecover(RpcIdentity.GetDigest(body), out PublicKey? key));
        Assert.Equal(_world.Relay.Core.Address, key.Address);
        Assert.Equal(_world.Relay.Core.Address.ToString(), response.Headers.GetValues("x-diode-sender").Single());
    }

    [Fact]
    public async Task Long_bodies_are_read_and_too_long_ones_refused()
    {
        string request = """{"id":1,"method":"net_listening","params":["0x"]}""";
        Assert.Equal(200, (await _world.PostAsync(request.Replace("0x", new string('x', 900_000), StringComparison.Ordinal))).Status);
        foreach (int length in (int[])[RpcLimits.MaxBody, 3 * RpcLimits.MaxBody, 7 * RpcLimits.MaxBody])
        {
            Assert.Equal(413, (await _world.PostAsync(request.Replace("0x", new string('x', length), StringComparison.Ordinal))).Status);
        }

        Assert.Equal(0, _world.Services.Budget.Taken);
    }

    [Fact]
    public async Task Without_memory_long_requests_are_refused()
    {
        Assert.True(_world.Services.Budget.TryTake(RpcLimits.MaxMemory));
        (int status, _) = await _world.PostAsync($$"""{"id":1,"method":"net_listening","params":["{{new string('x', 9000)}}"]}""");
        Assert.Equal(503, status);
        _world.Services.Budget.Return(RpcLimits.MaxMemory);
    }

    [Fact]
    public async Task A_WebSocket_ends_with_a_message_that_is_too_long()
    {
        using RpcTestSocket socket = await _world.ConnectAsync();
        await socket.SendAsync("\"" + new string('x', 900_000) + "\"");
        Assert.Equal("Bad request", (await socket.ReceiveAsync())!.Value.GetProperty("message").GetString());
        try
        {
            await socket.SendAsync(new string('x', RpcLimits.MaxBody + 1));
        }
        catch (WebSocketException)
        {
            // It ended before all was sent.
        }

        Assert.Null(await socket.ReceiveAsync());
        await WaitAsync(() => _world.Sockets.Count == 0 && _world.Services.Budget.Taken == 0);
    }

    [Fact]
    public async Task A_WebSocket_that_does_not_read_is_not_read()
    {
        using RpcTestSocket socket = await _world.ConnectAsync();
        string request = "[" + string.Join(',', Enumerable.Repeat("""{"id":1,"method":"dio_network"}""", 1_000)) + "]";
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(1.5));
        int sent = 0;
        try
        {
            for (; sent < 2_000; sent++)
            {
                await socket.Socket.SendAsync(Encoding.UTF8.GetBytes(request), WebSocketMessageType.Text, true, limit.Token);
            }
        }
        catch (OperationCanceledException)
        {
            // It is full.
        }

        Assert.InRange(sent, 1, 1_999);
        Assert.InRange(_world.Services.Budget.Taken, 0, RpcLimits.SocketWidth * (long)(RpcLimits.MaxBatchAnswer + RpcLimits.MaxBody));
    }

    [Fact]
    public async Task A_WebSocket_ends_when_it_says_nothing_for_an_hour()
    {
        using RpcTestSocket socket = await _world.ConnectAsync();
        Assert.Contains("true", await socket.AskAsync("net_listening", "[]"), StringComparison.Ordinal);
        RpcSocket served = _world.Sockets.Snapshot().Single();
        served.Tick(_world.Services.NowMs + RpcLimits.IdleMs);
        Assert.Contains("true", await socket.AskAsync("net_listening", "[]"), StringComparison.Ordinal);
        served.Tick(_world.Services.NowMs + RpcLimits.IdleMs + 1);
        Assert.Null(await socket.ReceiveAsync());
    }

    [Fact]
    public async Task A_ticket_proves_the_device_and_messages_reach_it_once()
    {
        using PrivateKey device = PrivateKey.Generate();
        using RpcTestSocket socket = await _world.ConnectAsync();
        Assert.Contains("\"result\":null", await socket.AskAsync("dio_ticket", $"[\"{_world.Ticket(device, 1000)}\"]"), StringComparison.Ordinal);
        Assert.Contains("\"result\":null", await socket.AskAsync("dio_ticket", $"[\"{_world.Ticket(device, 2000)}\"]"), StringComparison.Ordinal);
        string low = await socket.AskAsync("dio_ticket", $"[\"{_world.Ticket(device, 1500)}\"]");
        Assert.Contains("too_low", low, StringComparison.Ordinal);
        Assert.Contains("\"total_bytes\":\"0x07d0\"", low, StringComparison.Ordinal);

        using RpcTestSocket other = await _world.ConnectAsync();
        using PrivateKey sender = PrivateKey.Generate();
        Assert.Contains("\"result\":null", await other.AskAsync("dio_ticket", $"[\"{_world.Ticket(sender, 1000)}\"]"), StringComparison.Ordinal);
        Assert.Contains("\"result\":null", await other.AskAsync("dio_message", $"[\"{device.Address}\",\"0x0102\",{{\"k\":\"v\"}}]"), StringComparison.Ordinal);
        JsonElement message = (await socket.ReceiveAsync())!.Value;
        Assert.Equal(
            """{"jsonrpc":"2.0","method":"dio_message_received","params":{"payload":"0x0102","metadata":{"k":"v"}}}""",
            message.GetRawText());
        Assert.Contains("\"result\":false", await socket.AskAsync("eth_unsubscribe", "[\"0x1\"]"), StringComparison.Ordinal);
        Assert.Contains("insufficient balance", await other.AskAsync("dio_message", $"[\"0x{new string('2', 40)}\",\"0x01\"]"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_ticket_is_asked_for_and_a_device_that_gives_none_is_cut()
    {
        using PrivateKey device = PrivateKey.Generate();
        using RpcTestSocket socket = await _world.ConnectAsync();
        await socket.AskAsync("dio_ticket", $"[\"{_world.Ticket(device, 1000)}\"]");
        RpcSocket served = _world.Sockets.Snapshot().Single();
        served.Tick(_world.Services.NowMs + (5 * 60_000));
        JsonElement asked = (await socket.ReceiveAsync())!.Value;
        Assert.Equal("dio_ticket_request", asked.GetProperty("method").GetString());
        Assert.Equal("0x" + new string('0', 40), asked.GetProperty("params").GetProperty("fleet").GetString());
        served.Tick(_world.Services.NowMs + (5 * 60_000) + 20_000);
        Assert.Null(await socket.ReceiveAsync());
        await WaitAsync(() => _world.Sockets.Count == 0);
        Assert.Equal(1, _world.Count("ticket_deadlines"));
    }

    [Fact]
    public async Task Shows_metrics_and_health()
    {
        string metrics = await _world.Http.GetStringAsync(new Uri(_world.MetricsUri, "metrics"));
        Assert.Contains("# TYPE diode_relay_rpc_requests_total counter\ndiode_relay_rpc_requests_total 0\n", metrics, StringComparison.Ordinal);
        Assert.Contains("# TYPE diode_relay_sessions gauge\ndiode_relay_sessions 3\n", metrics, StringComparison.Ordinal);
        Assert.Equal("ok\n", await _world.Http.GetStringAsync(new Uri(_world.MetricsUri, "healthz")));
        _world.IsHealthy = false;
        using HttpResponseMessage response = await _world.Http.GetAsync(new Uri(_world.MetricsUri, "healthz"));
        Assert.Equal(503, (int)response.StatusCode);
        using HttpResponseMessage elsewhere = await _world.Http.GetAsync(new Uri(_world.Uri, "metrics"));
        Assert.Equal(404, (int)elsewhere.StatusCode);
    }

    private static async Task WaitAsync(Func<bool> holds)
    {
        for (int i = 0; i < 500 && !holds(); i++)
        {
            await Task.Delay(10);
        }

        Assert.True(holds());
    }
}
