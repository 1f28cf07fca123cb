using System.Net;
using System.Text;
using Diode.Tunnel.Engine.Membership.Chain;
using Diode.Tunnel.Engine.Relays;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.JsonRpc;
using Diode.Tunnel.Testing;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.Membership.Chain;

public sealed class RelayRpcTransportTests
{
    [Theory]
    [InlineData("""{"result":"0x10"}""", 16UL)]
    [InlineData("""{"id":77,"jsonrpc":"2.0","result":"0x10"}""", 16UL)]
    [InlineData("""{"id":null,"result":"0x10"}""", 16UL)]
    [InlineData("""{"error":{"code":-32000,"message":"no"}}""", null)]
    [InlineData("""{"result":""", null)]
    [InlineData("[]", null)]
    [InlineData("", null)]
    public async Task Answer_belongs_to_its_request_whatever_id_the_relay_gives_it(string answer, ulong? number)
    {
        Relay relay = new(_ => answer);
        using JsonRpcClient rpc = new(31337, [new RelayRpcTransport(relay, "av", TimeSpan.FromSeconds(30))]);
        EvmResult<ulong> result = await new EvmClient(rpc).GetBlockNumberAsync(default);
        Assert.Equal(number is not null, result.IsOk);
        Assert.Equal(number ?? 0, result.Value);
        Assert.Equal("av eth_chainId []", relay.Asked[0]);
        Assert.Equal("av eth_blockNumber []", relay.Asked[1]);
    }

    [Fact]
    public async Task Silence_ends_after_a_while_and_a_relay_that_is_gone_at_once()
    {
        RelayRpcTransport silent = new(new Relay(static _ => null), "av", TimeSpan.FromMilliseconds(50));
        byte[] body = JsonRpcMessages.WriteRequest(1, "eth_blockNumber", "[]"u8);
        Assert.Contains("no answer within", (await silent.SendAsync(body, default)).Failure, StringComparison.Ordinal);
        RelayRpcTransport gone = new(new Relay(static _ => null) { IsGone = true }, "av", TimeSpan.FromMinutes(10));
        Assert.Contains("not connected", (await gone.SendAsync(body, default)).Failure, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Damaged_answers_never_throw()
    {
        byte[] good = Encoding.UTF8.GetBytes("""{"id":1,"jsonrpc":"2.0","result":{"a":[1,"x",null,{"b":"\u00e4"}]}}""");
        InputMutator mutator = new(41, good);
        for (int i = 0; i < 2000; i++)
        {
            byte[] damaged = mutator.Next().ToArray();
            RelayRpcTransport transport = new(new Relay(_ => Encoding.Latin1.GetString(damaged)), "av", TimeSpan.FromSeconds(30));
            JsonRpcTransportResult result = await transport.SendAsync(JsonRpcMessages.WriteRequest(9, "eth_call", "[1]"u8), default);
            Assert.True(result.Body is null || JsonRpcMessages.TryReadReply(result.Body, 9, out _));
        }
    }

    [Fact]
    public void Relays_at_one_address_count_once_and_only_where_endpoints_are_too_few()
    {
        ChainAccess one = new("glmr", 1284, [new Uri("http://a.example")]);
        ChainAccess two = new("base", 8453, [new Uri("http://a.example"), new Uri("http://b.example")]);
        using ChainReaders chains = new([one, two], 2, TimeProvider.System, static (_, _) => { });
        Relay[] relays = [new(static _ => null), new(static _ => null), new(static _ => null) { Endpoint = new IPEndPoint(IPAddress.Parse("192.0.2.9"), 1) }];
        Assert.Empty(chains.EndpointsOf(chains.Find("av")!));
        chains.SetRelays(relays);
        Assert.Equal(2, chains.EndpointsOf(chains.Find("av")!).Count);
        Assert.Equal(3, chains.EndpointsOf(chains.Find("1284")!).Count);
        Assert.Equal(2, chains.EndpointsOf(chains.Find("base")!).Count);
        Assert.DoesNotContain(chains.EndpointsOf(chains.Find("base")!), static e => e.Relay is not null);

        // A session is one endpoint as long as it lasts.
        Assert.Same(chains.EndpointsOf(one)[1], chains.EndpointsOf(one)[1]);
        chains.SetRelays([]);
        Assert.Empty(chains.EndpointsOf(chains.Find("av")!));
        Assert.Null(chains.Find("moon"));
    }

    private sealed class Relay(Func<string, string?> answer) : IChainRelay
    {
        public List<string> Asked { get; } = [];

        public bool IsGone { get; init; }

        Address IChainRelay.Relay => Address.Parse("0x3333333333333333333333333333333333333333");

        public IPEndPoint? Endpoint { get; init; } = new(IPAddress.Parse("192.0.2.7"), 41046);

        public bool CallChain(string prefix, string method, string parameters, Action<string?, byte[]?> done)
        {
            Asked.Add($"{prefix} {method} {parameters}");
            if (!IsGone && (method == "eth_chainId" ? """{"result":"0x7a69"}""" : answer(method)) is { } json)
            {
                done(null, Encoding.Latin1.GetBytes(json));
            }

            return !IsGone;
        }

        public bool SendMetaTransaction(string prefix, byte[] request, Action<string?, byte[]?> done) => false;

        public bool SubscribeBlocks(string prefix, ulong chainId, Action<ulong?> block) => false;
    }
}
