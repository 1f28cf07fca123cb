using System.Text;
using System.Text.Json;
using Diode.Tunnel.Ethereum.JsonRpc;
using Diode.Tunnel.Relay.Chains;
using Diode.Tunnel.Relay.RelayPeers;

namespace Diode.Tunnel.Relay.Rpc;

/// <summary>The methods of the JSON-RPC interface (diode-node §8.3). Thread-safe; parameters never throw.</summary>
internal sealed partial class RpcMethods : ILocalMethods
{
    private static readonly HashSet<string> Local = new(StringComparer.Ordinal)
    {
        "dio_network", "dio_getObject", "dio_getNode", "dio_traffic", "dio_tickets", "dio_usage", "dio_usageHistory",
        "dio_checkConnectivity", "dio_wireguard_open", "dio_wireguard_close", "dio_turn_open", "dio_version",
    };

    private static readonly HashSet<string> Forwarded = new(StringComparer.Ordinal)
    {
        "dio_accounts", "dio_codeGroups", "dio_supply", "dio_getPool", "eth_call", "eth_chainId", "eth_estimateGas",
        "eth_gasPrice", "eth_getBalance", "eth_getBlockByHash", "eth_getBlockByNumber", "eth_getCode", "eth_getCodeHash",
        "eth_getLogs", "eth_getTransactionByHash", "eth_getTransactionCount", "eth_getTransactionReceipt",
        "eth_sendRawTransaction", "net_version", "eth_pendingTransactions", "parity_pendingTransactions", "trace_block",
        "trace_replayBlockTransactions", "eth_getStorage", "eth_getStorageAt",
    };

    private readonly RelayCore _core;
    private readonly ChainGateway _chains;
    private readonly RpcIdentity _identity;
    private readonly UsageHistory _usage;
    private readonly RpcProxy _proxy;
    private readonly TimeProvider _time;

    public RpcMethods(
        RelayCore core, ChainGateway chains, RpcIdentity identity, UsageHistory usage, RpcProxy proxy, TimeProvider time)
    {
        _core = core;
        _chains = chains;
        _identity = identity;
        _usage = usage;
        _proxy = proxy;
        _time = time;
    }

    private long NowMs => _time.GetUtcNow().ToUnixTimeMilliseconds();

    /// <summary>Executes a method.</summary>
    public async ValueTask<RpcResult> ExecuteAsync(
        string method, JsonElement[] parameters, RpcCaller caller, CancellationToken cancel)
    {
        if (Forwarded.Contains(method))
        {
            return await ForwardAsync(method, parameters, caller, cancel);
        }

        const string proxy = "dio_proxy|";
        const string signedProxy = "dio_proxy2|";
        if (method.StartsWith(proxy, StringComparison.Ordinal))
        {
            return await ProxyAsync(method[proxy.Length..], parameters, isSigned: false, cancel);
        }

        if (method.StartsWith(signedProxy, StringComparison.Ordinal))
        {
            return await ProxyAsync(method[signedProxy.Length..], parameters, isSigned: true, cancel);
        }

        return method switch
        {
            "eth_accounts" or "eth_acounts" => RpcResult.From("[]"u8.ToArray()),
            "eth_blockNumber" => await GetBlockNumberAsync(cancel),
            "eth_syncing" or "eth_mining" => RpcResult.From("false"u8.ToArray()),
            "eth_hashrate" => RpcResult.FromText("0x0"),
            "eth_coinbase" => RpcResult.FromText(RpcJson.Binary(_core.Address.ToArray())),
            "net_listening" => RpcResult.From("true"u8.ToArray()),
            "net_peerCount" => RpcResult.FromText(RpcJson.Number(ListNodes().Count(node => node.IsConnected && !node.IsLocal))),
            "net_edgeCount" => RpcResult.FromText(RpcJson.Number(_core.Directory.Count)),
            "web3_clientVersion" => RpcResult.FromText("Diode Relay Node " + _identity.Announcement.Description),
            "dio_version" => RpcResult.From(writer => WriteVersion(writer, RpcJson.Binary)),
            "dio_getObject" => await GetObjectAsync(parameters, cancel),
            "dio_getNode" => await GetNodeAsync(parameters, cancel),
            "dio_network" => RpcResult.From(WriteNetwork),
            "dio_tickets" => GetTickets(parameters),
            "dio_traffic" => await GetTrafficAsync(parameters, cancel),
            "dio_usage" => RpcResult.From(WriteUsage),
            "dio_usageHistory" => GetUsageHistory(parameters),
            "dio_checkConnectivity" => RpcResult.From(WriteConnectivity),
            "dio_edgev2" => await ExecuteEdgeAsync(parameters, cancel),
            "dio_ticket" => await SubmitTicketAsync(parameters, caller, cancel),
            "dio_message" => SendMessage(parameters, caller),
            "dio_wireguard_open" => OpenWireGuard(parameters, caller),
            "dio_wireguard_close" => CloseWireGuard(caller),
            "dio_turn_open" => OpenTurn(caller),
            "eth_subscribe" when caller.Socket is not null => caller.Socket.Subscribe(parameters),
            "eth_unsubscribe" when caller.Socket is not null => caller.Socket.Unsubscribe(parameters),
            _ => RpcResult.Unsupported,
        };
    }

    /// <inheritdoc/>
    public bool IsLocal(string method) => Local.Contains(method);

    /// <inheritdoc/>
    public async ValueTask<byte[]> ExecuteAsync(string method, JsonElement parameters, CancellationToken cancel)
    {
        JsonElement[] items = [.. parameters.EnumerateArray()];
        RpcResult result = method == "dio_version"
            ? RpcResult.From(writer => WriteVersion(writer, bytes => Encoding.UTF8.GetString(bytes)))
            : await ExecuteAsync(method, items, new RpcCaller(), cancel);
        return RpcJson.Write(writer =>
        {
            writer.WriteStartObject();
            if (result.Result is ReadOnlyMemory<byte> json && result.Status == 200)
            {
                writer.WritePropertyName("result"u8);
                writer.WriteRawValue(json.Span, skipInputValidation: true);
            }
            else
            {
                writer.WriteStartObject("error"u8);
                writer.WriteNumber("code"u8, result.Code ?? result.Status);
                writer.WriteString("message"u8, result.Message ?? result.ErrorText ?? "Request failed");
                writer.WriteEndObject();
            }

            writer.WriteEndObject();
        });
    }

    private delegate string BinaryForm(ReadOnlySpan<byte> bytes);

    private void WriteVersion(Utf8JsonWriter writer, BinaryForm form)
    {
        ServerAnnouncement own = _identity.Announcement;
        writer.WriteStartObject();
        writer.WriteString("description"u8, form(Encoding.UTF8.GetBytes(own.Description)));
        writer.WriteString("features"u8, form(Encoding.UTF8.GetBytes(own.Features)));
        writer.WriteString("version"u8, form(Encoding.UTF8.GetBytes(own.Version)));
        writer.WriteEndObject();
    }

    private async ValueTask<RpcResult> ForwardAsync(
        string method, JsonElement[] parameters, RpcCaller caller, CancellationToken cancel)
    {
        if (_chains.Find("diode") is not ChainReader reader)
        {
            return RpcResult.Error(503, -32000, "chain not available");
        }

        using JsonDocument array = JsonDocument.Parse(RpcJson.Write(writer =>
        {
            writer.WriteStartArray();
            foreach (JsonElement parameter in parameters)
            {
                parameter.WriteTo(writer);
            }

            writer.WriteEndArray();
        }));
        JsonRpcReply reply = await ChainRpc.ForwardAsync(reader, method, array.RootElement, cancel);
        if (!reply.IsResult)
        {
            return reply.Outcome == JsonRpcOutcome.Error
                ? RpcResult.FromForeignError(reply.Json)
                : RpcResult.Error(502, -32603, "upstream not available");
        }

        return caller.StripsNonce && method is "eth_getBlockByNumber" or "eth_getBlockByHash"
            ? RpcResult.From(StripNonce(reply.Json, caller.StripsNonce))
            : RpcResult.From(reply.Json);
    }

    private static ReadOnlyMemory<byte> StripNonce(ReadOnlyMemory<byte> block, bool strips)
    {
        const int bloomLength = 256;
        using JsonDocument? document = EthereumJson.TryParse(block);
        if (!strips || document is null || document.RootElement.ValueKind != JsonValueKind.Object)
        {
            return block;
        }

        return RpcJson.Write(writer =>
        {
            writer.WriteStartObject();
            foreach (JsonProperty member in document.RootElement.EnumerateObject())
            {
                if (member.Name is not ("nonce" or "logsBloom"))
                {
                    member.WriteTo(writer);
                }
            }

            writer.WriteString("nonce"u8, "0x0000000000000000"u8);
            writer.WriteString("logsBloom"u8, EthereumJson.Data(new byte[bloomLength]));
            writer.WriteEndObject();
        });
    }

    private async ValueTask<RpcResult> GetBlockNumberAsync(CancellationToken cancel)
    {
        return _chains.Find("diode") is ChainReader reader && await reader.GetPeakAsync(cancel) is ChainBlock peak
            ? RpcResult.FromText(RpcJson.Number(peak.Number))
            : RpcResult.Error(503, -32000, "chain not available");
    }

    private IReadOnlyList<NetworkNode> ListNodes()
    {
        return _core.Network?.ListNodes()
            ?? [new NetworkNode(_core.Address, true, true, true, NowMs, null, 0, _core.GetServer(NowMs))];
    }

    private void WriteNetwork(Utf8JsonWriter writer)
    {
        writer.WriteStartArray();
        foreach (NetworkNode node in ListNodes())
        {
            if (node.Server is null && !node.IsLocal)
            {
                continue;
            }

            writer.WriteStartObject();
            writer.WriteBoolean("local"u8, node.IsLocal);
            writer.WriteBoolean("connected"u8, node.IsConnected || node.IsLocal);
            long? seen = node.IsLocal || node.IsConnected ? NowMs : node.LastSeenMs;
            writer.WriteString("last_seen"u8, RpcJson.EvenNumber((ulong)((seen ?? 0) / 1000)));
            writer.WriteString("last_error"u8, RpcJson.EvenNumber((ulong)((node.LastErrorMs ?? 0) / 1000)));
            writer.WriteString("node_id"u8, node.Address.ToString());
            writer.WritePropertyName("node"u8);
            RpcJson.WriteServer(writer, node.IsLocal ? _core.GetServer(NowMs) : node.Server!);
            writer.WriteString("retries"u8, RpcJson.EvenNumber((ulong)Math.Max(node.Failures, 0)));
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private void WriteConnectivity(Utf8JsonWriter writer)
    {
        // Nobody outside is asked whether the ports can be reached.
        writer.WriteStartObject();
        writer.WriteString("timestamp"u8, RpcJson.Number(NowMs / 1000));
        writer.WriteString("status"u8, "started"u8);
        writer.WriteEndObject();
    }
}
