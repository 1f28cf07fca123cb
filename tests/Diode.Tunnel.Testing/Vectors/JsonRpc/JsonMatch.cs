using System.Text.Json;
using Diode.Tunnel.Edge.Objects;
using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.JsonRpc;

namespace Diode.Tunnel.Testing.Vectors.JsonRpc;

/// <summary>
/// Compares an answer with the recorded one: all members and values, the order of members aside. Of values that cannot be
/// the same again only the form: version and description, times, counters, block numbers, the own server object (which must
/// be well signed), countersignatures (by recovery), ids of subscriptions, epoch_time.
/// </summary>
internal static class JsonMatch
{
    public static void Check(RpcWorld world, string method, JsonElement expected, JsonElement actual)
    {
        switch (method)
        {
            case "dio_version":
                SameForm(expected, actual, "version");
                break;
            case "web3_clientVersion":
                VectorCheck.True(
                    actual.GetProperty("result").GetString()!.StartsWith("Diode Relay Node ", StringComparison.Ordinal), "version");
                break;
            case "dio_getNode" or "dio_getObject":
                CheckObject(world, expected, actual);
                break;
            case "dio_network":
                CheckNetwork(world, expected.GetProperty("result"), actual.GetProperty("result"));
                break;
            case "dio_usage":
                SameForm(expected, actual, "usage");
                VectorCheck.Equal(Text(expected, "address"), Text(actual, "address"), "address");
                VectorCheck.Equal(Text(expected, "name"), Text(actual, "name"), "name");
                break;
            case "dio_usageHistory":
                VectorCheck.Equal(JsonValueKind.Object, actual.GetProperty("result").ValueKind, "history");
                break;
            case "dio_checkConnectivity":
                SameForm(expected, actual, "connectivity");
                break;
            case "dio_tickets":
                CheckEpoch(expected, actual);
                VectorCheck.True(
                    Texts(expected, "tickets").Except(world.Tickets.Refused.Keys).ToHashSet().SetEquals(Texts(actual, "tickets")),
                    "the tickets differ");
                break;
            case "dio_traffic":
                CheckEpoch(expected, actual);
                CheckFleets(world, expected.GetProperty("result").GetProperty("fleets"), actual.GetProperty("result").GetProperty("fleets"));
                break;
            case "eth_blockNumber":
                SameForm(expected, actual, "number");
                break;
            case "dio_edgev2":
                CheckEdge(world, expected, actual);
                break;
            case "" when expected.ValueKind == JsonValueKind.Array:
                VectorCheck.Equal(expected.GetArrayLength(), actual.GetArrayLength(), "answers");
                for (int i = 0; i < expected.GetArrayLength(); i++)
                {
                    CheckBatched(expected[i], actual[i]);
                }

                break;
            default:
                Same(expected, actual, "answer");
                break;
        }
    }

    /// <summary>Equal values; members in any order.</summary>
    public static void Same(JsonElement expected, JsonElement actual, string where)
    {
        VectorCheck.Equal(expected.ValueKind, actual.ValueKind, where);
        switch (expected.ValueKind)
        {
            case JsonValueKind.Object:
                VectorCheck.Equal(Names(expected), Names(actual), where + ", members");
                foreach (JsonProperty member in expected.EnumerateObject())
                {
                    Same(member.Value, actual.GetProperty(member.Name), $"{where}.{member.Name}");
                }

                break;
            case JsonValueKind.Array:
                VectorCheck.Equal(expected.GetArrayLength(), actual.GetArrayLength(), where + ", length");
                for (int i = 0; i < expected.GetArrayLength(); i++)
                {
                    Same(expected[i], actual[i], $"{where}[{i}]");
                }

                break;
            default:
                VectorCheck.Equal(expected.ToString(), actual.ToString(), where);
                break;
        }
    }

    /// <summary>The same members and kinds; hex stays hex. The id and the protocol version are equal.</summary>
    public static void SameForm(JsonElement expected, JsonElement actual, string where)
    {
        VectorCheck.Equal(expected.ValueKind, actual.ValueKind, where);
        if (expected.ValueKind == JsonValueKind.Object)
        {
            VectorCheck.Equal(Names(expected), Names(actual), where + ", members");
            foreach (JsonProperty member in expected.EnumerateObject())
            {
                if (member.Name is "id" or "jsonrpc")
                {
                    Same(member.Value, actual.GetProperty(member.Name), member.Name);
                }
                else
                {
                    SameForm(member.Value, actual.GetProperty(member.Name), $"{where}.{member.Name}");
                }
            }
        }
        else if (expected.ValueKind == JsonValueKind.String)
        {
            bool isHex = expected.GetString()!.StartsWith("0x", StringComparison.Ordinal);
            VectorCheck.Equal(isHex, actual.GetString()!.StartsWith("0x", StringComparison.Ordinal), where + " is hex");
        }
    }

    private static void CheckBatched(JsonElement expected, JsonElement actual)
    {
        bool isVersion = expected.TryGetProperty("result", out JsonElement result)
            && result.ValueKind == JsonValueKind.Object
            && result.TryGetProperty("version", out _);
        bool isNumber = result.ValueKind == JsonValueKind.String;
        if (isVersion || isNumber)
        {
            SameForm(expected, actual, "batch");
        }
        else
        {
            Same(expected, actual, "batch");
        }
    }

    private static void CheckObject(RpcWorld world, JsonElement expected, JsonElement actual)
    {
        VectorCheck.Equal(Names(expected), Names(actual), "members");
        if (!expected.TryGetProperty("result", out JsonElement wanted) || wanted.ValueKind != JsonValueKind.Array)
        {
            Same(expected, actual, "answer");
            return;
        }

        JsonElement got = actual.GetProperty("result");
        if (wanted[0].GetString() == "server")
        {
            CheckServer(world, wanted, got);
            return;
        }

        // The last element of a ticket is our own signature.
        Ticket recorded = RecordedTickets.FromJson(wanted);
        Ticket newest = world.Tickets.FindNewest(recorded);
        Ticket shown = RecordedTickets.FromJson(got);
        VectorCheck.Equal(wanted.GetArrayLength(), got.GetArrayLength(), "length");
        for (int i = 0; i < wanted.GetArrayLength() - 1 && RecordedTickets.IsSame(newest, recorded); i++)
        {
            Same(wanted[i], got[i], $"ticket[{i}]");
        }

        VectorCheck.True(RecordedTickets.IsSame(newest, shown), "another ticket than the newest");
        SameForm(wanted, got, "ticket");
        VectorCheck.True(
            shown.TryRecoverServer(out Address server) && server == shown.Server, "the ticket is not countersigned");
    }

    // What our relay refused does not count.
    private static void CheckFleets(RpcWorld world, JsonElement expected, JsonElement actual)
    {
        VectorCheck.Equal(Names(expected), Names(actual), "fleets");
        foreach (JsonProperty fleet in expected.EnumerateObject())
        {
            JsonElement got = actual.GetProperty(fleet.Name);
            VectorCheck.Equal(Names(fleet.Value), Names(got), "members of a fleet");
            Ticket[] refused = [.. world.Tickets.Refused.Values.Where(ticket => ticket.Fleet.ToString() == fleet.Name)];
            foreach (JsonProperty member in fleet.Value.EnumerateObject())
            {
                Func<Ticket, UInt128>? part = member.Name switch
                {
                    "total_tickets" => _ => 1,
                    "total_bytes" => ticket => ticket.TotalBytes,
                    "total_connections" => ticket => ticket.TotalConnections,
                    "total_score" => ticket => ticket.Score,
                    _ => null,
                };
                if (part is null || refused.Length == 0)
                {
                    Same(member.Value, got.GetProperty(member.Name), $"{fleet.Name}.{member.Name}");
                    continue;
                }

                UInt128 without = refused.Aggregate(ToNumber(member.Value), (sum, ticket) => sum - part(ticket));
                VectorCheck.Equal($"0x{without:x}", got.GetProperty(member.Name).GetString(), $"{fleet.Name}.{member.Name}");
            }
        }
    }

    private static UInt128 ToNumber(JsonElement hex)
    {
        return UInt128.Parse(
            hex.GetString().AsSpan(2), System.Globalization.NumberStyles.HexNumber, System.Globalization.CultureInfo.InvariantCulture);
    }

    private static void CheckServer(RpcWorld world, JsonElement expected, JsonElement actual)
    {
        bool isOwn = world.Core.GetServer(world.NowMs).Host == expected[1].GetString();
        if (!isOwn)
        {
            Same(expected, actual, "server");
            return;
        }

        VectorCheck.Equal(expected.GetArrayLength(), actual.GetArrayLength(), "server, length");
        for (int i = 0; i < expected[5].GetArrayLength(); i++)
        {
            VectorCheck.Equal(expected[5][i][0].GetString(), actual[5][i][0].GetString(), "server, key");
            SameForm(expected[5][i], actual[5][i], "server, value");
        }
    }

    private static void CheckNetwork(RpcWorld world, JsonElement expected, JsonElement actual)
    {
        VectorCheck.Equal(expected.GetArrayLength(), actual.GetArrayLength(), "relays");
        foreach (JsonElement wanted in expected.EnumerateArray())
        {
            string id = wanted.GetProperty("node_id").GetString()!;
            JsonElement got = actual.EnumerateArray().Single(one => one.GetProperty("node_id").GetString() == id);
            VectorCheck.Equal(Names(wanted), Names(got), "members of a relay");
            VectorCheck.Equal(wanted.GetProperty("local").GetBoolean(), got.GetProperty("local").GetBoolean(), "local");
            VectorCheck.Equal(wanted.GetProperty("connected").GetBoolean(), got.GetProperty("connected").GetBoolean(), "connected");
            CheckServer(world, wanted.GetProperty("node"), got.GetProperty("node"));
        }
    }

    private static void CheckEpoch(JsonElement expected, JsonElement actual)
    {
        VectorCheck.Equal(Names(expected), Names(actual), "members");
        VectorCheck.Equal(Names(expected.GetProperty("result")), Names(actual.GetProperty("result")), "members of the result");
        VectorCheck.Equal(Text(expected, "chain_id"), Text(actual, "chain_id"), "chain_id");
        VectorCheck.Equal(Text(expected, "epoch"), Text(actual, "epoch"), "epoch");
    }

    private static void CheckEdge(RpcWorld world, JsonElement expected, JsonElement actual)
    {
        if (!expected.TryGetProperty("result", out JsonElement wanted))
        {
            Same(expected, actual, "answer");
            return;
        }

        VectorCheck.True(EthereumJson.TryParseData(wanted.GetString(), out byte[]? recorded), "hex");
        VectorCheck.True(EthereumJson.TryParseData(actual.GetProperty("result").GetString(), out byte[]? ours), "hex");
        VectorCheck.True(Ethereum.Rlp.RlpItem.TryDecode(recorded, out Ethereum.Rlp.RlpItem? left), "RLP");
        VectorCheck.True(Ethereum.Rlp.RlpItem.TryDecode(ours, out Ethereum.Rlp.RlpItem? right), "RLP");
        VectorCheck.Bytes(left!.Items[0].Bytes.Span, right!.Items[0].Bytes.Span, "kind");
        VectorCheck.Equal(left.Items.Count, right.Items.Count, "items");
        bool isObject = left.Items[1].IsList;
        bool isNumber = !isObject && left.Items[1].Bytes.Length <= 8 && left.Items.Count == 2
            && left.Items[1].Bytes.Span.IndexOfAnyInRange((byte)'a', (byte)'z') < 0;
        if (isObject)
        {
            VectorCheck.True(DiodeObject.TryRead(left.Items[1].Encode(), out DiodeObject? one), "object");
            VectorCheck.True(DiodeObject.TryRead(right.Items[1].Encode(), out DiodeObject? two), "object");
            VectorCheck.True(one!.Server is null == (two!.Server is null), "kind of object");
            VectorCheck.True(
                two.Server is null
                    ? RecordedTickets.IsSame(world.Tickets.FindNewest(one.Ticket!), two.Ticket!)
                    : two.Server.Address == one.Server!.Address,
                "whose object");
        }
        else if (!isNumber)
        {
            VectorCheck.Bytes(recorded, ours, "answer");
        }
    }

    private static string Text(JsonElement answer, string member) => answer.GetProperty("result").GetProperty(member).GetString()!;

    private static HashSet<string> Texts(JsonElement answer, string member)
    {
        return [.. answer.GetProperty("result").GetProperty(member).EnumerateArray().Select(one => one.GetString()!)];
    }

    private static string Names(JsonElement value)
    {
        return string.Join(' ', value.EnumerateObject().Select(member => member.Name).Order(StringComparer.Ordinal));
    }
}
