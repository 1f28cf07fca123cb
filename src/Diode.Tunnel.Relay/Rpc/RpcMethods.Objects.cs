using System.Text.Json;
using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Abi;
using Diode.Tunnel.Ethereum.JsonRpc;
using Diode.Tunnel.Ethereum.Rlp;
using Diode.Tunnel.Relay.Chains;

namespace Diode.Tunnel.Relay.Rpc;

/// <content>Objects, tickets and usage.</content>
internal sealed partial class RpcMethods
{
    private const ulong EpochSeconds = 2_592_000;

    private async ValueTask<RpcResult> GetObjectAsync(JsonElement[] parameters, CancellationToken cancel)
    {
        if (parameters.Length == 0 || !RpcJson.TryReadHex(parameters[0], out byte[]? key))
        {
            return RpcResult.BadParameters;
        }

        return await FindObjectAsync(key, cancel) is byte[] found
            ? RpcResult.From(writer => RpcJson.WriteObject(writer, found))
            : RpcResult.NotFound;
    }

    private async ValueTask<RpcResult> GetNodeAsync(JsonElement[] parameters, CancellationToken cancel)
    {
        if (parameters.Length == 0 || !RpcJson.TryReadHex(parameters[0], out byte[]? key))
        {
            return RpcResult.BadParameters;
        }

        return await FindNodeAsync(key, cancel) is byte[] found
            ? RpcResult.From(writer => RpcJson.WriteObject(writer, found))
            : RpcResult.NotFound;
    }

    /// <summary>An object as an encoded list, or null.</summary>
    private async ValueTask<byte[]?> FindObjectAsync(byte[] key, CancellationToken cancel)
    {
        if (Address.TryRead(key, out Address address))
        {
            if (address == _core.Address)
            {
                return _core.GetServerObject(NowMs).ToArray();
            }

            if (_core.Tickets.Find(address) is Ticket ticket)
            {
                var writer = new RlpWriter();
                ticket.WriteObject(writer);
                return writer.ToArray();
            }
        }

        return _core.Network is null ? null : await _core.Network.FindObjectAsync(key, cancel);
    }

    private async ValueTask<byte[]?> FindNodeAsync(byte[] key, CancellationToken cancel)
    {
        if (!Address.TryRead(key, out Address address))
        {
            return null;
        }

        return address == _core.Address ? _core.GetServerObject(NowMs).ToArray()
            : _core.Network is null ? null
            : await _core.Network.FindNodeAsync(address, cancel);
    }

    // [chain, epoch?]; null when they are not in order.
    private (ulong ChainId, ulong Epoch)? ReadEpoch(JsonElement[] parameters, out RpcResult error)
    {
        error = RpcResult.BadRequest;
        if (parameters.Length is 0 or > 2 || !RpcJson.TryReadNumber(parameters[0], out ulong chainId))
        {
            return null;
        }

        if (!_core.Tickets.IsKnownChain(chainId))
        {
            error = RpcResult.Error(404, null, "Not found");
            return null;
        }

        ulong epoch = _core.Tickets.GetEpoch(chainId, NowMs);
        if (parameters.Length == 2
            && parameters[1].ValueKind != JsonValueKind.Null
            && !RpcJson.TryReadNumber(parameters[1], out epoch))
        {
            return null;
        }

        return (chainId, epoch);
    }

    private RpcResult GetTickets(JsonElement[] parameters)
    {
        if (ReadEpoch(parameters, out RpcResult error) is not (ulong chainId, ulong epoch))
        {
            return error;
        }

        List<Ticket> tickets = _core.Tickets.FindEpoch(chainId, epoch);
        return RpcResult.From(writer =>
        {
            writer.WriteStartObject();
            WriteEpoch(writer, chainId, epoch);
            writer.WriteStartArray("tickets"u8);
            foreach (Ticket ticket in tickets.Take(RpcLimits.MaxTickets))
            {
                writer.WriteStringValue(EthereumJson.Data(ticket.EncodeBert()));
            }

            writer.WriteEndArray();
            writer.WriteEndObject();
        });
    }

    private async ValueTask<RpcResult> GetTrafficAsync(JsonElement[] parameters, CancellationToken cancel)
    {
        if (ReadEpoch(parameters, out RpcResult error) is not (ulong chainId, ulong epoch))
        {
            return error;
        }

        const int mostFleets = 256;
        IGrouping<Address, Ticket>[] fleets =
            [.. _core.Tickets.FindEpoch(chainId, epoch).GroupBy(ticket => ticket.Fleet).Take(mostFleets)];
        byte[]?[] states = await Task.WhenAll(fleets.Select(fleet => ReadFleetAsync(chainId, fleet.Key, cancel)));
        return RpcResult.From(writer =>
        {
            writer.WriteStartObject();
            WriteEpoch(writer, chainId, epoch);
            writer.WriteStartObject("fleets"u8);
            for (int i = 0; i < fleets.Length; i++)
            {
                WriteFleet(writer, fleets[i], states[i], chainId);
            }

            writer.WriteEndObject();
            writer.WriteEndObject();
        });
    }

    private static void WriteEpoch(Utf8JsonWriter writer, ulong chainId, ulong epoch)
    {
        writer.WriteString("chain_id"u8, RpcJson.Number(chainId));
        writer.WriteString("epoch"u8, RpcJson.Number(epoch));

        // Where the epoch begins; real relays tell the time of its first block, seconds later.
        ulong time = chainId == ChainDefinition.DiodeChainId ? 0 : epoch <= uint.MaxValue ? epoch * EpochSeconds : 0;
        writer.WriteString("epoch_time"u8, RpcJson.Number(time));
    }

    private async Task<byte[]?> ReadFleetAsync(ulong chainId, Address fleet, CancellationToken cancel)
    {
        string signature = chainId == ChainDefinition.DiodeChainId ? "EpochFleet(address)" : "GetFleet(address)";
        return _chains.Find(chainId)?.Chain.Registry is Address registry
            ? await _chains.EthCallAsync(chainId, registry, new AbiWriter(signature).WriteAddress(fleet).ToArray(), cancel)
            : null;
    }

    private static void WriteFleet(
        Utf8JsonWriter writer, IGrouping<Address, Ticket> fleet, byte[]? state, ulong chainId)
    {
        string address = RpcJson.Binary(fleet.Key.ToArray());
        writer.WriteStartObject(address);
        writer.WriteString("fleet"u8, address);
        writer.WriteString("total_tickets"u8, RpcJson.Number(fleet.Count()));
        writer.WriteString("total_bytes"u8, RpcJson.Number(Sum(fleet, ticket => ticket.TotalBytes)));
        writer.WriteString("total_connections"u8, RpcJson.Number(Sum(fleet, ticket => ticket.TotalConnections)));
        writer.WriteString("total_score"u8, RpcJson.Number(Sum(fleet, ticket => ticket.Score)));
        writer.WritePropertyName("state"u8);
        if (state is null || !TryWriteState(writer, state, chainId))
        {
            writer.WriteNullValue();
        }

        writer.WriteEndObject();
    }

    private static System.Numerics.BigInteger Sum(IEnumerable<Ticket> tickets, Func<Ticket, UInt128> value)
    {
        return tickets.Aggregate(System.Numerics.BigInteger.Zero, (sum, ticket) => sum + (System.Numerics.BigInteger)value(ticket));
    }

    private static bool TryWriteState(Utf8JsonWriter writer, byte[] state, ulong chainId)
    {
        var values = new AbiReader(state);
        if (chainId == ChainDefinition.DiodeChainId)
        {
            // A structure with an array in it: its place first, then its members, the array's place counted from there.
            const int mostNodes = 1024;
            if (state.Length < AbiWriter.WordLength)
            {
                return false;
            }

            values = new AbiReader(state.AsSpan(AbiWriter.WordLength));
            if (!values.TryReadAddress(out _)
                || !values.TryReadWord(out Hash256 connections)
                || !values.TryReadWord(out Hash256 bytes)
                || !values.TryReadAddresses(mostNodes, out Address[]? nodes))
            {
                return false;
            }

            writer.WriteStartObject();
            writer.WriteString("totalConnections"u8, ToNumber(connections));
            writer.WriteString("totalBytes"u8, ToNumber(bytes));
            writer.WriteStartArray("nodeArray"u8);
            foreach (Address node in nodes)
            {
                writer.WriteStringValue(RpcJson.Binary(node.ToArray()));
            }

            writer.WriteEndArray();
            writer.WriteEndObject();
            return true;
        }

        string[] names = ["exists", "currentBalance", "withdrawRequestSize", "withdrawableBalance", "currentEpoch", "score"];
        var numbers = new List<string>();
        while (numbers.Count < names.Length)
        {
            if (!values.TryReadWord(out Hash256 word))
            {
                return false;
            }

            numbers.Add(ToNumber(word));
        }

        writer.WriteStartObject();
        for (int i = 0; i < names.Length; i++)
        {
            writer.WriteString(names[i], numbers[i]);
        }

        writer.WriteEndObject();
        return true;
    }

    private static string ToNumber(in Hash256 word)
    {
        return RpcJson.Number(new System.Numerics.BigInteger(word.ToArray(), isUnsigned: true, isBigEndian: true));
    }

    private void WriteUsage(Utf8JsonWriter writer)
    {
        (ulong incoming, ulong outgoing) = _usage.LastMinute;
        writer.WriteStartObject();
        writer.WriteString("address"u8, _core.Address.ToString());
        writer.WriteString("name"u8, _identity.Announcement.Name);
        writer.WriteString("uptime"u8, RpcJson.EvenNumber((ulong)Math.Max(NowMs - _identity.Announcement.StartedMs, 0)));
        writer.WriteString("devices"u8, RpcJson.EvenNumber((ulong)_core.Directory.Count));
        writer.WriteString("incoming"u8, RpcJson.EvenNumber(incoming));
        writer.WriteString("outgoing"u8, RpcJson.EvenNumber(outgoing));
        writer.WriteString("total"u8, RpcJson.EvenNumber(incoming + outgoing));
        writer.WriteEndObject();
    }

    private RpcResult GetUsageHistory(JsonElement[] parameters)
    {
        if (parameters.Length != 3
            || !parameters.All(parameter => parameter.ValueKind == JsonValueKind.Number)
            || !parameters[0].TryGetInt64(out long from)
            || !parameters[1].TryGetInt64(out long to)
            || !parameters[2].TryGetInt64(out long step)
            || step <= 0)
        {
            return RpcResult.BadParameters;
        }

        return RpcResult.From(writer => _usage.Write(writer, from, to, step));
    }
}
