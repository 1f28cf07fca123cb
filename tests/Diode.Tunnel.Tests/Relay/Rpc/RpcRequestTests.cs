using System.Text;
using System.Text.Json;
using Diode.Tunnel.Relay.Rpc;
using Diode.Tunnel.Testing;
using Xunit;

namespace Diode.Tunnel.Tests.Relay.Rpc;

/// <summary>Requests and answers, without sockets.</summary>
public sealed class RpcRequestTests : IAsyncLifetime, IAsyncDisposable
{
    private readonly RpcServerWorld _world = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    Task IAsyncLifetime.DisposeAsync() => DisposeAsync().AsTask();

    [Theory]
    [InlineData("not json", 400, """{"message":"Bad request","jsonrpc":"2.0","id":0}""")]
    [InlineData("[]", 400, """{"message":"Bad request","jsonrpc":"2.0","id":0}""")]
    [InlineData("17", 400, """{"message":"Bad request","jsonrpc":"2.0","id":0}""")]
    [InlineData("""{"id":"\ud800","method":"net_listening"}""", 400, """{"message":"Bad request","jsonrpc":"2.0","id":0}""")]
    [InlineData("""{"id":3,"method":"net_listening"}""", 200, """{"result":true,"jsonrpc":"2.0","id":3}""")]
    [InlineData("""{"id":"a","method":"nope","params":[]}""", 422, """{"error":"Unsupported method","jsonrpc":"2.0","id":"a"}""")]
    [InlineData("""{"id":4,"method":"eth_chainId","params":[]}""", 503, """{"message":"chain not available","jsonrpc":"2.0","id":4,"code":-32000}""")]
    [InlineData("""{"id":5,"method":"dio_getNode","params":["0x12"]}""", 404, """{"result":null,"jsonrpc":"2.0","id":5}""")]
    [InlineData("""{"id":6,"method":"dio_message","params":[]}""", 400, """{"message":"not authenticated","jsonrpc":"2.0","id":6,"code":-32000}""")]
    [InlineData("""{"id":7,"method":"eth_subscribe","params":["newHeads"]}""", 422, """{"error":"Unsupported method","jsonrpc":"2.0","id":7}""")]
    [InlineData("""{"id":8,"method":"dio_ticket","params":["0xc0"]}""", 400, """{"message":"invalid ticket","jsonrpc":"2.0","id":8,"code":-32001}""")]
    public async Task Answers_as_a_real_relay(string body, int status, string expected)
    {
        (int got, byte[] answer) = await _world.Rpc.HandleAsync(Encoding.UTF8.GetBytes(body), new RpcCaller(), default);
        Assert.Equal((status, expected), (got, Encoding.UTF8.GetString(answer)));
    }

    [Fact]
    public async Task A_batch_keeps_its_order_and_may_not_be_longer_than_allowed()
    {
        string body = "[" + string.Join(',', Enumerable.Range(0, 100).Select(i => $$"""{"id":{{i}},"method":"net_listening"}""")) + "]";
        (int status, byte[] answer) = await _world.Rpc.HandleAsync(Encoding.UTF8.GetBytes(body), new RpcCaller(), default);
        using var document = JsonDocument.Parse(answer);
        Assert.Equal(200, status);
        Assert.Equal(Enumerable.Range(0, 100), document.RootElement.EnumerateArray().Select(one => one.GetProperty("id").GetInt32()));
        string tooLong = "[" + string.Join(',', Enumerable.Repeat("1", RpcLimits.MaxBatch + 1)) + "]";
        Assert.Equal(400, (await _world.Rpc.HandleAsync(Encoding.UTF8.GetBytes(tooLong), new RpcCaller(), default)).Status);
    }

    [Fact]
    public async Task An_address_that_asks_too_much_is_refused()
    {
        var caller = new RpcCaller { Address = new RpcAddress(_world.Time) };
        byte[] body = Encoding.UTF8.GetBytes("""{"id":1,"method":"net_listening"}""");
        for (int i = 0; i < RpcLimits.RequestBurst; i++)
        {
            Assert.Equal(200, (await _world.Rpc.HandleAsync(body, caller, default)).Status);
        }

        Assert.Equal(429, (await _world.Rpc.HandleAsync(body, caller, default)).Status);
        _world.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(200, (await _world.Rpc.HandleAsync(body, caller, default)).Status);
    }

    [Fact]
    public async Task Survives_100_000_damaged_requests()
    {
        string device = "0x" + new string('1', 40);
        string ticket = _world.Ticket(Diode.Tunnel.Ethereum.Crypto.PrivateKey.Generate(), 1 << 20);
        var mutator = new InputMutator(
            3,
            [.. new[]
            {
                """{"jsonrpc":"2.0","id":1,"method":"dio_usageHistory","params":[1,2,60]}""",
                """[{"id":"\u00e9","method":"dio_version"},{"id":2,"method":"dio_network","params":[]}]""",
                $$"""{"id":3,"method":"dio_getObject","params":["{{device}}"]}""",
                """{"id":4,"method":"dio_tickets","params":["0x504",692]}""",
                """{"id":5,"method":"dio_traffic","params":[1284]}""",
                """{"id":6,"method":"dio_edgev2","params":["0xc58470696e67"]}""",
                """{"id":7,"method":"dio_edgev2","params":["0xdf896765746f626a65637494e83567e8ad81f60a2874cb9105274dd380f79f11"]}""",
                $$"""{"id":8,"method":"dio_message","params":["{{device}}","0x01",{"a":"\ud83d\ude00"}]}""",
                $$"""{"id":9,"method":"dio_proxy|dio_getNode","params":["{{device}}"]}""",
                $$"""{"id":10,"method":"dio_ticket","params":["{{ticket}}"]}""",
            }.Select(Encoding.UTF8.GetBytes)]);
        for (int i = 0; i < 100_000; i++)
        {
            (int status, byte[] answer) = await _world.Rpc.HandleAsync(mutator.Next().ToArray(), new RpcCaller(), default);
            Assert.True(status is >= 200 and < 500 or 503, $"{status}: {Encoding.UTF8.GetString(mutator.Next())}");
            using var document = JsonDocument.Parse(answer);
        }

        Assert.Equal(0, _world.Count("internal_errors"));
    }

    [Theory]
    [InlineData(0, "0x0")]
    [InlineData(255, "0xff")]
    [InlineData(256, "0x100")]
    public void Numbers_are_hex(int number, string expected) => Assert.Equal(expected, RpcJson.Number(number));

    [Theory]
    [InlineData("", "0x")]
    [InlineData("plain text", "plain text")]
    [InlineData("\u0000a", "0x0061")]
    [InlineData("é", "é")]
    public void Printable_texts_are_shown(string text, string expected) => Assert.Equal(expected, RpcJson.Binary(Encoding.UTF8.GetBytes(text)));

    [Theory]
    [InlineData("""{"code":3,"message":"execution reverted","data":"0x08"}""", """{"message":"execution reverted","jsonrpc":"2.0","id":1,"data":"0x08","code":3}""")]
    [InlineData("""{"code":3,"message":"execution reverted"}""", """{"message":"execution reverted","jsonrpc":"2.0","id":1,"code":3}""")]
    [InlineData("\"no\"", """{"error":"no","jsonrpc":"2.0","id":1}""")]
    public void Errors_of_others_are_passed_on(string error, string expected)
    {
        Assert.Equal(
            expected, Encoding.UTF8.GetString(RpcResult.FromForeignError(Encoding.UTF8.GetBytes(error)).ToEnvelope("1"u8)));
    }
}
