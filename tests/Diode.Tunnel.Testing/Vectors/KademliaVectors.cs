using System.Globalization;
using System.Text.Json;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Relay.Kademlia;

namespace Diode.Tunnel.Testing.Vectors;

/// <summary>kademlia.json</summary>
internal static class KademliaVectors
{
    public static void Run(VectorCase vector)
    {
        switch (vector.Kind)
        {
            case "ring_key":
                VectorCheck.Equal(vector.Hash("ring_key"), RingKey.OfNode(vector.Address("address")).ToHash(), "ring_key");
                VectorCheck.Equal(
                    vector.Number("ring_position"),
                    new RingKey(default).StepsUpTo(RingKey.OfNode(vector.Address("address"))).ToHash().ToNumber(),
                    "ring_position");
                break;
            case "distance":
                CheckDistance(vector, Key(vector, "a"), Key(vector, "b"));
                break;
            case "distance_address_key":
                CheckDistance(vector, RingKey.OfNode(vector.Address("address")), Key(vector, "key"));
                break;
            case "order":
                RunOrder(vector);
                break;
            case "order_raw_keys":
                Hash256[] keys = [.. vector.Items("nodes").Select(ToHash)];
                CheckList(vector, "nearest", RingOrder.Nearest(keys, Key(vector, "key"), key => new RingKey(key)), ToHash);
                break;
            case "selection":
                RunSelection(vector);
                break;
            case "find_node_hints":
                RunHints(vector);
                break;
            case "retry_delay":
                VectorCheck.Equal(
                    (int)vector.Number("seconds"), RetryDelay.GetSeconds((int)vector.Number("failures")), "seconds");
                break;
            case "newest_wins":
                RunNewest(vector);
                break;
            case "quorum":
                RunQuorum(vector);
                break;
            default:
                throw new VectorException("unknown kind " + vector.Kind);
        }
    }

    private static void CheckDistance(VectorCase vector, RingKey a, RingKey b)
    {
        VectorCheck.Equal(vector.Number("distance"), a.DistanceTo(b).ToBigInteger(), "distance");
        VectorCheck.Equal(a.DistanceTo(b), b.DistanceTo(a), "distance the other way");
    }

    private static void RunOrder(VectorCase vector)
    {
        Address[] nodes = Addresses(vector, "nodes");
        RingKey key = Key(vector, "key");
        Address[] nearest = [.. RingOrder.Nearest(nodes, key, RingKey.OfNode)];
        CheckList(vector, "nearest", nearest, VectorCase.ToAddress);
        CheckList(vector, "nearest_3", nearest.Take(ReplicaRules.Replicas), VectorCase.ToAddress);
        CheckList(
            vector,
            "distances",
            nearest.Select(node => key.DistanceTo(RingKey.OfNode(node)).ToString()),
            value => VectorCase.ToInteger(value).ToString(CultureInfo.InvariantCulture));
        CheckList(vector, "successors", RingOrder.Successors(nodes, key, RingKey.OfNode), VectorCase.ToAddress);
        CheckList(vector, "predecessors", RingOrder.Predecessors(nodes, key, RingKey.OfNode), VectorCase.ToAddress);
    }

    private static void RunSelection(VectorCase vector)
    {
        var view = new RingView(vector.Address("self"), Addresses(vector, "ring"), Addresses(vector, "online"));
        RingKey key = Key(vector, "key");
        CheckList(vector, "replicas_remote", view.SelectReplicas(key), VectorCase.ToAddress);
        VectorCheck.Equal(vector.Bool("self_is_replica"), view.IsReplica(key), "self_is_replica");
        CheckList(vector, "nearest_online_3_including_self", view.NearestOnline(key).Take(3), VectorCase.ToAddress);
        CheckList(vector, "nearest_online_3_without_self", view.NearestOnline(key, false).Take(3), VectorCase.ToAddress);
        foreach (JsonElement element in vector.Items("ranges"))
        {
            var range = new VectorCase(element);
            RingRange actual = view.GetRange(range.Address("node"));
            VectorCheck.Equal(range.Hash("start"), actual.Start.ToHash(), "start of range");
            VectorCheck.Equal(range.Hash("end"), actual.End.ToHash(), "end of range");
        }
    }

    private static void RunHints(VectorCase vector)
    {
        byte[] id = vector.Hex("id");
        VectorCheck.Equal(vector.Hash("hashed"), RingKey.OfRequest(id).ToHash(), "hashed");
        var view = new RingView(vector.Address("self"), Addresses(vector, "ring"), []);
        CheckList(vector, "hints", view.SelectHints(id), VectorCase.ToAddress);
    }

    private static void RunNewest(VectorCase vector)
    {
        var values = new List<DhtObject>();
        foreach (JsonElement element in vector.Items("values_bert"))
        {
            byte[] encoded = VectorCase.ToBytes(element);
            VectorCheck.True(DhtObject.TryRead(encoded, null, out DhtObject? value), "an object was refused");
            VectorCheck.Bytes(encoded, value!.Encoded.Span, "our own encoding");
            values.Add(value);
        }

        DhtObject? chosen = DhtObject.ChooseNewest(values);
        VectorCheck.Equal((int)vector.Number("chosen_index"), chosen is null ? -1 : values.IndexOf(chosen), "chosen_index");
    }

    private static void RunQuorum(VectorCase vector)
    {
        Func<int, bool> rule = vector.Name switch
        {
            "write quorum by number of remote acknowledgements" => ReplicaRules.IsWritten,
            "read quorum by number of answers" => ReplicaRules.IsRead,
            _ => throw new VectorException("unknown quorum"),
        };
        foreach (JsonElement result in vector.Items("results"))
        {
            int count = (int)VectorCase.ToInteger(result[0]);
            VectorCheck.Equal(result[1].GetBoolean(), rule(count), $"with {count}");
        }
    }

    private static void CheckList<T>(VectorCase vector, string field, IEnumerable<T> actual, Func<JsonElement, T> read)
    {
        T[] expected = [.. vector.Items(field).Select(read)];
        VectorCheck.True(
            expected.SequenceEqual(actual), $"{field}: expected {string.Join(' ', expected)}, got {string.Join(' ', actual)}");
    }

    private static Address[] Addresses(VectorCase vector, string field)
    {
        return [.. vector.Items(field).Select(VectorCase.ToAddress)];
    }

    private static RingKey Key(VectorCase vector, string field)
    {
        return new RingKey(vector.Hash(field));
    }

    private static Hash256 ToHash(JsonElement value)
    {
        return Hash256.TryRead(VectorCase.ToBytes(value), out Hash256 hash) ? hash : throw new VectorException("no hash");
    }

    private static System.Numerics.BigInteger ToNumber(this Hash256 hash)
    {
        return new System.Numerics.BigInteger(hash.ToArray(), isUnsigned: true, isBigEndian: true);
    }
}
