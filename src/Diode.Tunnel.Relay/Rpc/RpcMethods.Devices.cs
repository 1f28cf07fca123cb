using System.Text;
using System.Text.Json;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.JsonRpc;
using Diode.Tunnel.Ethereum.Rlp;
using Diode.Tunnel.Relay.Accounting;
using Diode.Tunnel.Relay.Chains;
using Diode.Tunnel.Relay.Turn;
using Diode.Tunnel.Relay.WireGuardExit;

namespace Diode.Tunnel.Relay.Rpc;

/// <content>What a device may do that proved itself by a ticket.</content>
internal sealed partial class RpcMethods
{
    private const int TicketError = -32001;
    private const int DiodeChainId = 15;

    private static readonly RpcResult InvalidTicket = RpcResult.Error(400, TicketError, "invalid ticket");

    // The device is the signer of the ticket.
    private async ValueTask<RpcResult> SubmitTicketAsync(
        JsonElement[] parameters, RpcCaller caller, CancellationToken cancel)
    {
        if (parameters.Length != 1)
        {
            return RpcResult.BadParameters;
        }

        if (!RpcJson.TryReadHex(parameters[0], out byte[]? encoded) || !TryReadTicket(encoded, out TicketSubmission shape))
        {
            return InvalidTicket;
        }

        Hash256? blockHash = shape.IsVersion2
            ? null
            : await _core.FindBlockHashAsync(shape.ChainId, shape.EpochOrBlock, cancel);
        _ = TryReadTicket(encoded, out TicketSubmission ticket);
        if (!_core.Tickets.TryRecoverDevice(ticket, blockHash, out Address device)
            || !_core.Tickets.TryOpenAccount(device, NowMs, out DeviceAccount? account))
        {
            return InvalidTicket;
        }

        bool keeps = false;
        try
        {
            // The first ticket of a connection sets the counter to what was paid, like protocol 1000.
            bool resetsUsage = caller.Socket is null || !caller.Socket.HasTicket;
            TicketVerdict verdict = _core.Tickets.Judge(account, ticket, blockHash, resetsUsage, NowMs);
            if (verdict.Kind != TicketVerdictKind.Accepted)
            {
                _core.Counters.TicketRefused();
                return ToError(verdict, account);
            }

            _core.Counters.TicketAccepted();
            if (caller.Socket is not null)
            {
                keeps = true;
                caller.Socket.Bind(account, ticket.Fleet);
                if (account.TryBeginFleetCheck(ticket.ChainId, ticket.Fleet, NowMs))
                {
                    _ = WarnAsync(caller.Socket, ticket.ChainId, ticket.Fleet, cancel);
                }
            }

            return RpcResult.Done;
        }
        finally
        {
            if (!keeps)
            {
                _core.Tickets.CloseAccount(account);
            }
        }
    }

    // Unknown fleets only get a warning.
    private async Task WarnAsync(RpcSocket socket, ulong chainId, Address fleet, CancellationToken cancel)
    {
        try
        {
            switch (await _chains.CheckFleetAsync(chainId, fleet, cancel))
            {
                case FleetStanding.NotRegistered:
                    socket.DeliverNotice("warning", "fleet_not_found", "Fleet is not registered on this chain");
                    break;
                case FleetStanding.NotAContract:
                    socket.DeliverNotice("warning", "invalid_fleet_contract", "Fleet address is not a contract");
                    break;
            }
        }
        catch (OperationCanceledException)
        {
            // Gone.
        }
    }

    private static RpcResult ToError(in TicketVerdict verdict, DeviceAccount account)
    {
        string text = verdict.Kind switch
        {
            TicketVerdictKind.TooLow => "too_low",
            TicketVerdictKind.TooOld => "too_old",
            TicketVerdictKind.TooBigJump => "too_big_jump",
            _ => Encoding.ASCII.GetString(verdict.Error),
        };
        byte[]? data = verdict.Kind == TicketVerdictKind.TooLow ? WriteSummary(verdict.Stored!, account) : null;
        return RpcResult.Error(400, TicketError, text, data);
    }

    private static byte[] WriteSummary(Ticket stored, DeviceAccount account)
    {
        return RpcJson.Write(writer =>
        {
            writer.WriteStartObject();
            writer.WriteString("usage"u8, RpcJson.EvenNumber(Math.Max(stored.TotalBytes, (ulong)Math.Max(account.Usage, 0))));
            writer.WriteStartObject("summary"u8);
            if (stored is TicketV2 second)
            {
                writer.WriteString("chain_id"u8, RpcJson.EvenNumber(second.ChainId));
                writer.WriteString("epoch"u8, RpcJson.EvenNumber(second.EpochNumber));
            }
            else
            {
                writer.WriteString("block_hash"u8, ((TicketV1)stored).BlockHash?.ToString() ?? "0x");
            }

            writer.WriteString("total_connections"u8, RpcJson.EvenNumber(stored.TotalConnections));
            writer.WriteString("total_bytes"u8, RpcJson.EvenNumber(stored.TotalBytes));
            writer.WriteString("local_address"u8, EthereumJson.Data(stored.LocalAddress.Span));
            writer.WriteString("device_signature"u8, EthereumJson.Data(stored.DeviceSignature?.ToArray() ?? []));
            writer.WriteEndObject();
            writer.WriteEndObject();
        });
    }

    // ["ticketv2", chain, epoch, fleet, connections, bytes, local address, signature] | ["ticket", block, fleet, …]
    private static bool TryReadTicket(ReadOnlySpan<byte> encoded, out TicketSubmission ticket)
    {
        ticket = default;
        if (!RlpReader.TryReadSingleList(encoded, out RlpReader items) || !items.TryReadBytes(out ReadOnlySpan<byte> name))
        {
            return false;
        }

        bool isVersion2 = name.SequenceEqual("ticketv2"u8);
        ulong chainId = DiodeChainId;
        if ((!isVersion2 && !name.SequenceEqual("ticket"u8))
            || (isVersion2 && !items.TryReadUInt64(out chainId))
            || !items.TryReadUInt64(out ulong epochOrBlock)
            || !items.TryReadAddress(out Address fleet)
            || !items.TryReadUInt64(out ulong connections)
            || !items.TryReadUInt64(out ulong bytes)
            || !items.TryReadBytes(out ReadOnlySpan<byte> localAddress)
            || !items.TryReadBytes(out ReadOnlySpan<byte> signature)
            || !items.IsEmpty)
        {
            return false;
        }

        ticket = new TicketSubmission
        {
            IsVersion2 = isVersion2,
            ChainId = chainId,
            EpochOrBlock = epochOrBlock,
            Fleet = fleet,
            Connections = connections,
            Bytes = bytes,
            LocalAddress = localAddress,
            Signature = signature,
        };
        return true;
    }

    private RpcResult SendMessage(JsonElement[] parameters, RpcCaller caller)
    {
        if (caller.Socket?.Device is null)
        {
            return RpcResult.NotAuthenticated;
        }

        if (parameters.Length is < 2 or > 3
            || !RpcJson.TryReadAddress(parameters[0], out Address device)
            || !RpcJson.TryReadHex(parameters[1], out byte[]? payload)
            || (parameters.Length == 3 && parameters[2].ValueKind != JsonValueKind.Object)
            || payload.Length > RpcMetadata.MaxPayload
            || !RpcMetadata.TryEncode(parameters.Length == 3 ? parameters[2] : default, out byte[]? metadata))
        {
            return RpcResult.InvalidParameters;
        }

        bool delivered = _core.DeliverMessage(device, payload, metadata)
            || _core.Network?.TryForwardMessage(device, payload, metadata) is true;
        return delivered ? RpcResult.Done : RpcResult.Error(400, -32003, "insufficient balance");
    }

    private RpcResult OpenWireGuard(JsonElement[] parameters, RpcCaller caller)
    {
        const int keyLength = 32;
        if (caller.Socket?.Device is not Address device)
        {
            return RpcResult.NotAuthenticated;
        }

        if (parameters.Length != 1 || !RpcJson.TryReadHex(parameters[0], out byte[]? key) || key.Length != keyLength)
        {
            return RpcResult.InvalidParameters;
        }

        if (_core.WireGuard.Open(device, key, out WireGuardOpenError error) is WireGuardSessionInfo session)
        {
            return RpcResult.From(session.ToJson());
        }

        return RpcResult.Error((int)error.Code(), error == WireGuardOpenError.InvalidKey ? -32602 : -32000, error.Text());
    }

    private RpcResult CloseWireGuard(RpcCaller caller)
    {
        if (caller.Socket?.Device is not Address device)
        {
            return RpcResult.NotAuthenticated;
        }

        // Real relays drop the connection where there is no exit.
        if (!_core.WireGuard.Enabled)
        {
            return RpcResult.Error(503, -32000, WireGuardOpenError.NotEnabled.Text());
        }

        _core.WireGuard.Close(device);
        return RpcResult.Done;
    }

    private RpcResult OpenTurn(RpcCaller caller)
    {
        if (caller.Socket?.Device is not Address device)
        {
            return RpcResult.NotAuthenticated;
        }

        if (!_core.Turn.Enabled)
        {
            return RpcResult.Error(503, -32000, "turn not enabled");
        }

        return _core.Turn.OpenCredential(device) is TurnCredential credential
            ? RpcResult.From(writer => WriteCredential(writer, credential))
            : RpcResult.Error(500, -32000, "turn error");
    }

    // As over Edge, but numbers are hex here.
    private static void WriteCredential(Utf8JsonWriter writer, TurnCredential credential)
    {
        using JsonDocument document = JsonDocument.Parse(credential.ToJson());
        writer.WriteStartObject();
        foreach (JsonProperty member in document.RootElement.EnumerateObject())
        {
            if (member.Value.ValueKind == JsonValueKind.Number)
            {
                writer.WriteString(member.Name, RpcJson.Number(member.Value.GetInt64()));
            }
            else
            {
                member.WriteTo(writer);
            }
        }

        writer.WriteEndObject();
    }
}
