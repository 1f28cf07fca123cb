using System.Net;
using System.Text.Json;
using Diode.Tunnel.Edge.Objects;
using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.JsonRpc;
using Diode.Tunnel.Ethereum.Rlp;
using Diode.Tunnel.Relay;
using Diode.Tunnel.Relay.Accounting;
using Diode.Tunnel.Relay.Chains;
using Diode.Tunnel.Relay.Rpc;
using Diode.Tunnel.Testing.Relay;
using Microsoft.Extensions.Logging.Abstractions;

namespace Diode.Tunnel.Testing.Vectors.JsonRpc;

/// <summary>
/// The JSON-RPC interface of a relay as it was when jsonrpc.json was recorded: its key, its time, the objects and the
/// chain that the answers show. Served by the real server on a loopback port.
/// </summary>
internal sealed class RpcWorld : IDisposable
{
    private readonly RpcServer _server;
    private readonly ChainGateway _chains;
    private readonly RpcProxy _proxy;
    private readonly MemoryTicketStore _store = new();
    private readonly Dictionary<string, List<JsonElement>> _heard = [];

    public RpcWorld(VectorCase file)
    {
        Cases = [.. file.Items("cases").Select(element => new VectorCase(element))];
        Node = file.Sub("node1").Address("address");
        Key = file.Sub("node1").PrivateKey("private");
        Chain = new CannedChain(0, FindQuantity("eth_blockNumber", 52));
        LoadChain();
        NowMs = FindTime();
        _chains = new ChainGateway(
            [Source("diode"), Source("glmr")], new RelayCounters(), TimeProvider.System, NullLogger.Instance);
        var announcement = new ServerAnnouncement(Key, "127.0.0.1", 21046, "0.0.0", FindName(), NowMs - 90_000);
        Core = new RelayCore(
            Key, new Diode.Tunnel.Relay.Sessions.RelayLimits(), announcement, new FixedEpochs(FindEpoch()), _store, new FakePhysicalSockets())
        {
            Chains = _chains,
            Network = new RpcNetwork(this),
        };
        var time = new ManualTimeProvider(DateTimeOffset.FromUnixTimeMilliseconds(NowMs));
        var identity = new RpcIdentity(Key, announcement);
        var usage = new UsageHistory(Core);
        _proxy = new RpcProxy(1, "127.0.0.1");
        var methods = new RpcMethods(Core, _chains, identity, usage, _proxy, time);
        _chains.UseLocalMethods(methods);
        var sockets = new DeviceSockets(Core.Counters);
        Core.Listeners = sockets;
        _chains.Start();
        _server = new RpcServer(
            new RpcOptions { Listen = [new IPEndPoint(IPAddress.Loopback, 0)] },
            new RpcServices(Core, _chains, new RpcCore(methods, Core.Counters), sockets, identity, TimeProvider.System),
            usage,
            new MetricsPage(() => [], () => [], () => true));
        _server.StartAsync().GetAwaiter().GetResult();
        Http = new HttpClient { BaseAddress = new Uri($"http://{_server.Endpoints[0]}/") };
    }

    public IReadOnlyList<VectorCase> Cases { get; }

    public Address Node { get; }

    public PrivateKey Key { get; }

    public RelayCore Core { get; }

    public CannedChain Chain { get; }

    public HttpClient Http { get; }

    public long NowMs { get; }

    public Uri WebSocketUri => new($"ws://{_server.Endpoints[0]}/ws");

    /// <summary>Server objects other than the relay's own that answers show, by address.</summary>
    public Dictionary<Address, (byte[] Encoded, bool Connected)> Nodes { get; } = [];

    /// <summary>Tickets of the recording.</summary>
    public RecordedTickets Tickets { get; } = new();

    /// <summary>What a case heard while another one ran, which talked to it.</summary>
    public Dictionary<string, List<JsonElement>> Heard => _heard;

    /// <summary>Puts in the tickets that an answer lists: other sessions handed them in.</summary>
    public void LoadTickets()
    {
        foreach (VectorCase vector in Cases)
        {
            if (!vector.Has("response")
                || vector.Get("response").ValueKind != JsonValueKind.Object
                || !vector.Get("response").TryGetProperty("result", out JsonElement result)
                || result.ValueKind != JsonValueKind.Object
                || !result.TryGetProperty("tickets", out JsonElement tickets))
            {
                continue;
            }

            foreach (JsonElement text in tickets.EnumerateArray())
            {
                if (Tickets.ReadListed(text.GetString()!) is Ticket ticket)
                {
                    VectorCheck.True(ticket.TryRecoverDevice(out Address device), "nobody signed a ticket in the answer");
                    _store.Put(device, ticket);
                }
            }
        }
    }

    public void Dispose()
    {
        Http.Dispose();
        _server.DisposeAsync().AsTask().GetAwaiter().GetResult();
        _chains.Dispose();
        _proxy.Dispose();
    }

    private ChainSource Source(string prefix)
    {
        return new ChainSource
        {
            Chain = ChainDefinition.Find(prefix)!,
            Endpoints = [Chain],
            UpstreamChainId = FindQuantity("eth_chainId", 1284),
        };
    }

    // What a chain was asked through the relay, it is asked again.
    private void LoadChain()
    {
        foreach (VectorCase vector in Cases)
        {
            if (!vector.Has("request")
                || vector.Get("request").ValueKind != JsonValueKind.Object
                || !vector.Has("response")
                || vector.Get("response").ValueKind != JsonValueKind.Object
                || !vector.Get("response").TryGetProperty("result", out JsonElement result))
            {
                continue;
            }

            string method = vector.Get("request").GetProperty("method").GetString()!;
            string answer = result.GetRawText();
            if (method is "eth_chainId" or "net_version" or "eth_getBalance" or "eth_gasPrice" or "eth_getCode" or "eth_call"
                or "eth_getTransactionCount" or "eth_getLogs" or "eth_estimateGas")
            {
                Chain.On(method, _ => answer);
            }

            LoadNodes(result);
            if (method == "dio_traffic" && result.ValueKind == JsonValueKind.Object)
            {
                LoadFleets(result.GetProperty("fleets"));
            }
        }
    }

    private void LoadFleets(JsonElement fleets)
    {
        string[] order = ["exists", "currentBalance", "withdrawRequestSize", "withdrawableBalance", "currentEpoch", "score"];
        var states = fleets.EnumerateObject().ToDictionary(
            fleet => fleet.Name[2..],
            fleet => string.Concat(order.Select(name => fleet.Value.GetProperty("state").GetProperty(name).GetString()![2..].PadLeft(64, '0'))));
        Chain.On("eth_call", parameters =>
        {
            string data = parameters[0].GetProperty("data").GetString()!;
            return states.TryGetValue(data[^40..], out string? words) ? $"\"0x{words}\"" : "\"0x\"";
        });
    }

    private void LoadNodes(JsonElement result)
    {
        if (result.ValueKind != JsonValueKind.Array)
        {
            return;
        }

        if (result.GetArrayLength() == 7 && result[0].ValueKind == JsonValueKind.String && result[0].GetString() == "server")
        {
            LoadNode(result, connected: true);
            return;
        }

        foreach (JsonElement entry in result.EnumerateArray())
        {
            if (entry.ValueKind == JsonValueKind.Object && entry.TryGetProperty("node", out JsonElement node))
            {
                LoadNode(node, entry.GetProperty("connected").GetBoolean());
            }
        }
    }

    private void LoadNode(JsonElement node, bool connected)
    {
        var writer = new RlpWriter();
        writer.BeginList();
        writer.WriteText("server");
        writer.WriteText(node[1].GetString()!);
        writer.WriteBytes(Number(node[2]));
        writer.WriteBytes(Number(node[3]));
        writer.WriteText(node[4].GetString()!);
        writer.BeginList();
        foreach (JsonElement pair in node[5].EnumerateArray())
        {
            string key = pair[0].GetString()!;
            string value = pair[1].GetString()!;
            writer.BeginList();
            writer.WriteText(key);
            if (key is "name" or "features")
            {
                writer.WriteText(value == "0x" ? "" : value);
            }
            else
            {
                writer.WriteBytes(Number(pair[1]));
            }

            writer.EndList();
        }

        writer.EndList();
        VectorCheck.True(EthereumJson.TryParseData(node[6].GetString(), out byte[]? signature), "signature of a server object");
        writer.WriteBytes(signature);
        writer.EndList();
        byte[] encoded = writer.ToArray();
        VectorCheck.True(ServerObject.TryReadRlp(encoded, out ServerObject? server), "a server object of an answer cannot be read");
        if (server!.Address != Node)
        {
            Nodes[server.Address] = (encoded, connected);
        }
    }

    private static byte[] Number(JsonElement element)
    {
        VectorCheck.True(EthereumJson.TryParseData(element.GetString(), out byte[]? bytes), "no number: " + element);
        return bytes.AsSpan().TrimStart((byte)0).ToArray();
    }

    private ulong FindQuantity(string method, ulong otherwise)
    {
        return Find(method) is JsonElement result && result.ValueKind == JsonValueKind.String
            && EthereumJson.TryParseQuantity(result.GetString(), out ulong number) ? number : otherwise;
    }

    private long FindTime()
    {
        return Find("dio_checkConnectivity") is JsonElement result
            && EthereumJson.TryGetQuantity(result, "timestamp", out ulong seconds) ? (long)seconds * 1000 : RelayWorld.StartMs;
    }

    private string FindName()
    {
        return Find("dio_usage") is JsonElement result && result.TryGetProperty("name", out JsonElement name)
            ? name.GetString()! : "node1";
    }

    private ulong FindEpoch()
    {
        return Find("dio_tickets") is JsonElement result && EthereumJson.TryGetQuantity(result, "epoch", out ulong epoch)
            ? epoch : (ulong)RelayWorld.Epoch;
    }

    private JsonElement? Find(string method)
    {
        foreach (VectorCase vector in Cases)
        {
            if (vector.Has("request")
                && vector.Get("request").ValueKind == JsonValueKind.Object
                && vector.Get("request").TryGetProperty("method", out JsonElement name)
                && name.GetString() == method
                && vector.Has("response")
                && vector.Get("response").ValueKind == JsonValueKind.Object
                && vector.Get("response").TryGetProperty("result", out JsonElement result)
                && result.ValueKind != JsonValueKind.Null)
            {
                return result;
            }
        }

        return null;
    }

    private sealed class FixedEpochs(ulong epoch) : IChainClock
    {
        private const ulong Moonbeam = 1284;

        public bool IsKnown(ulong chainId) => chainId == Moonbeam;

        public ulong GetEpoch(ulong chainId, long unixTimeMs) => epoch;

        public bool TryGetBlockHash(ulong chainId, ulong blockNumber, out Hash256 hash)
        {
            hash = default;
            return false;
        }
    }
}
