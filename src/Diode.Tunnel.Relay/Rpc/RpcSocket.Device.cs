using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.JsonRpc;
using Diode.Tunnel.Ethereum.Rlp;
using Diode.Tunnel.Relay.Accounting;
using Diode.Tunnel.Relay.Chains;

namespace Diode.Tunnel.Relay.Rpc;

/// <content>The device: tickets, messages, and blocks it subscribed to.</content>
internal sealed partial class RpcSocket : IChainSubscriber
{
    // ticket_request_policy.ex, WebSocket.
    private const long RequestBytes = 10_000_000;
    private const long RequestMs = 5 * 60 * 1000;
    private const long DeadlineMs = 20_000;

    private readonly Lock _deviceGate = new();
    private readonly Dictionary<string, bool?> _subscriptions = new(StringComparer.Ordinal);
    private DeviceAccount? _account;
    private Address _fleet;
    private long _usageAtRequest;
    private long _requestedMs;
    private long _deadlineMs;
    private IDisposable? _chain;
    private ulong _skippedBlock;
    private bool _left;

    /// <summary>The device of the last accepted ticket; null before the first.</summary>
    public Address? Device
    {
        get
        {
            lock (_deviceGate)
            {
                return _account?.Device;
            }
        }
    }

    /// <summary>Whether a ticket was accepted.</summary>
    public bool HasTicket => Device is not null;

    /// <summary>A ticket was accepted; the account is open and is closed by this socket.</summary>
    public void Bind(DeviceAccount account, Address fleet)
    {
        DeviceAccount? before;
        lock (_deviceGate)
        {
            before = _account;
            _account = account;
            _fleet = fleet;
            _usageAtRequest = account.Usage;
            _requestedMs = _services.NowMs;
            _deadlineMs = 0;
        }

        // However many tickets there were, a device is told once.
        _services.Sockets.Bind(this, before?.Device, account.Device);
        if (before is not null)
        {
            _services.Core.Tickets.CloseAccount(before);
        }
    }

    /// <summary>Asks for a ticket when one is due; ends a connection that does not give one, read or speak.</summary>
    public void Tick(long nowMs)
    {
        long usage;
        Address fleet;
        CheckPeer(nowMs);
        lock (_deviceGate)
        {
            if (_account is null)
            {
                return;
            }

            if (_deadlineMs != 0 && nowMs >= _deadlineMs)
            {
                _services.Core.Counters.TicketDeadline();
                Stop();
                return;
            }

            usage = _account.Usage;
            fleet = _fleet;
            if (_deadlineMs != 0
                || (usage - _usageAtRequest < RequestBytes && nowMs - _requestedMs < RequestMs))
            {
                return;
            }

            _usageAtRequest = usage;
            _requestedMs = nowMs;
            _deadlineMs = nowMs + DeadlineMs;
        }

        Notify("dio_ticket_request", writer =>
        {
            writer.WriteStartObject();
            writer.WriteNumber("usage"u8, Math.Max(usage, 0));
            writer.WriteString("fleet"u8, fleet.ToString());
            writer.WriteEndObject();
        });
    }

    /// <summary>A message for the device.</summary>
    public void DeliverMessage(ReadOnlySpan<byte> payload, ReadOnlySpan<byte> metadata)
    {
        string data = EthereumJson.Data(payload);
        byte[] pairs = metadata.ToArray();
        Notify("dio_message_received", writer =>
        {
            writer.WriteStartObject();
            writer.WriteString("payload"u8, data);
            writer.WritePropertyName("metadata"u8);
            RpcMetadata.Write(writer, pairs);
            writer.WriteEndObject();
        });
    }

    /// <summary>A warning for the device.</summary>
    public void DeliverNotice(string level, string code, string message)
    {
        Notify("dio_notify", writer =>
        {
            writer.WriteStartObject();
            writer.WriteString("level"u8, level);
            writer.WriteString("code"u8, code);
            writer.WriteString("message"u8, message);
            writer.WriteEndObject();
        });
    }

    /// <summary><c>eth_subscribe</c>: newHeads or syncing.</summary>
    public RpcResult Subscribe(JsonElement[] parameters)
    {
        if (parameters.Length == 0 || !EthereumJson.TryGetText(parameters[0], out string? what)
            || what is not ("newHeads" or "syncing"))
        {
            return RpcResult.BadParameters;
        }

        bool? transactions = what == "syncing" ? null
            : parameters.Length > 1
                && parameters[1].ValueKind == JsonValueKind.Object
                && parameters[1].TryGetProperty("includeTransactions", out JsonElement flag)
                && flag.ValueKind == JsonValueKind.True;
        string id = "0x" + (BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8)) >> 1 | 1UL << 62)
            .ToString("x", CultureInfo.InvariantCulture);
        bool follows;
        lock (_deviceGate)
        {
            if (_subscriptions.Count >= RpcLimits.MaxSubscriptions)
            {
                return RpcResult.Error(400, -32005, "too many subscriptions");
            }

            _subscriptions[id] = transactions;
            follows = transactions is not null && _chain is null && !_left;
            if (follows && _services.Chains.TryGetPeak(ChainDefinition.DiodeChainId, out ChainPeak peak))
            {
                // Only blocks that come are told.
                _skippedBlock = peak.Number;
            }
        }

        if (follows && _services.Chains.Subscribe("diode", this) is IDisposable chain)
        {
            bool late;
            lock (_deviceGate)
            {
                late = _left || _chain is not null;
                _chain ??= late ? null : chain;
            }

            if (late)
            {
                chain.Dispose();
            }
        }

        return RpcResult.FromText(id);
    }

    /// <summary><c>eth_unsubscribe</c>.</summary>
    public RpcResult Unsubscribe(JsonElement[] parameters)
    {
        if (parameters.Length != 1 || !EthereumJson.TryGetText(parameters[0], out string? id))
        {
            return RpcResult.BadParameters;
        }

        lock (_deviceGate)
        {
            return RpcResult.From(_subscriptions.Remove(id) ? "true"u8.ToArray() : "false"u8.ToArray());
        }
    }

    /// <inheritdoc/>
    public void OnBlock(ulong chainId, ReadOnlySpan<byte> headerPairs)
    {
        if (TryReadNumber(headerPairs, out ulong number) && number > Volatile.Read(ref _skippedBlock))
        {
            _ = TellAsync(number);
        }
    }

    private async Task TellAsync(ulong number)
    {
        try
        {
            (string Id, bool Transactions)[] subscriptions;
            lock (_deviceGate)
            {
                subscriptions =
                    [.. _subscriptions.Where(entry => entry.Value is not null).Select(entry => (entry.Key, entry.Value!.Value))];
            }

            foreach ((string id, bool transactions) in subscriptions)
            {
                if (_services.Chains.Find("diode") is not ChainReader reader)
                {
                    return;
                }

                byte[] parameters = Encoding.ASCII.GetBytes(
                    $"[\"{EthereumJson.Quantity(number)}\",{(transactions ? "true" : "false")}]");
                JsonRpcReply block = await reader.ReadAsync("eth_getBlockByNumber", parameters, number, _stop.Token);
                if (block.IsResult && !block.IsNull)
                {
                    Notify("eth_subscription", writer =>
                    {
                        writer.WriteStartObject();
                        writer.WriteString("subscription"u8, id);
                        writer.WritePropertyName("result"u8);
                        writer.WriteRawValue(block.Json.Span, skipInputValidation: true);
                        writer.WriteEndObject();
                    });
                }
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or ObjectDisposedException)
        {
            // Gone.
        }
    }

    private static bool TryReadNumber(ReadOnlySpan<byte> headerPairs, out ulong number)
    {
        number = 0;
        if (!RlpReader.TryReadSingleList(headerPairs, out RlpReader pairs))
        {
            return false;
        }

        while (pairs.TryReadList(out RlpReader pair))
        {
            if (pair.TryReadBytes(out ReadOnlySpan<byte> key) && key.SequenceEqual("number"u8))
            {
                return pair.TryReadUInt64(out number);
            }
        }

        return false;
    }

    private void LeaveDevice()
    {
        DeviceAccount? account;
        lock (_deviceGate)
        {
            _left = true;
            account = _account;
            _account = null;
        }

        if (account is not null)
        {
            _services.Core.Tickets.CloseAccount(account);
        }
    }

    private void LeaveChain()
    {
        IDisposable? chain;
        lock (_deviceGate)
        {
            chain = _chain;
            _chain = null;
        }

        chain?.Dispose();
    }
}
