using System.Text.Json;
using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.Edge.Objects;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Testing.Vectors;

/// <summary>server_object.json</summary>
internal static class ServerObjectVectors
{
    public static void Run(VectorCase vector)
    {
        switch (vector.Kind)
        {
            case "":
                RunServer(vector);
                break;
            case "tamper":
                RunTamper(vector);
                break;
            case "data":
                RunData(vector);
                break;
            case "channel":
                RunChannel(vector);
                break;
            default:
                throw new VectorException("unknown kind " + vector.Kind);
        }
    }

    private static void RunServer(VectorCase vector)
    {
        using PrivateKey relay = vector.PrivateKey("private");
        VectorCheck.Equal(vector.Address("address"), relay.Address, "address");
        string host = vector.Text("host");
        ushort edgePort = (ushort)vector.Number("edge_port");
        ushort peerPort = (ushort)vector.Number("peer_port");
        ServerObject own = vector.Has("version")
            ? ServerObject.Create(relay, host, edgePort, peerPort, vector.Text("version"), ReadExtra(vector))
            : ServerObject.CreateOldForm(relay, host, edgePort, peerPort);
        VectorCheck.Bytes(vector.Hex("signed_bert"), own.GetSignedBert(), "signed_bert");
        Hash256 digest = Hash256.Sha256(own.GetSignedBert());
        VectorCheck.Equal(vector.Hash("signed_sha256"), digest, "signed_sha256");
        VectorCheck.True(relay.PublicKey.Verify(digest, vector.Signature("sig65")), "sig65 does not verify");
        VectorCheck.True(relay.PublicKey.Verify(digest, own.Signature), "our own signature does not verify");

        VectorCheck.True(ServerObject.TryReadBert(vector.Hex("object_bert"), out ServerObject? fromBert), "object_bert");
        Check(vector, fromBert!);
        VectorCheck.True(ServerObject.TryReadRlp(vector.Hex("object_rlp"), out ServerObject? fromRlp), "object_rlp");
        Check(vector, fromRlp!);
        VectorCheck.True(
            DiodeObject.TryRead(vector.Hex("object_rlp"), out DiodeObject? value) && value.Server is not null,
            "object_rlp is no object");

        // Go differs for an empty extra list only, and it is Go that is wrong.
        VectorCheck.Equal(
            fromRlp!.Version is null || fromRlp.Extra.Count > 0,
            string.Equals(
                vector.Text("go_address_from_rlp"), vector.Text("address"), StringComparison.Ordinal),
            "Go verifies it");
    }

    private static void Check(VectorCase vector, ServerObject server)
    {
        VectorCheck.Equal(vector.Address("address"), server.Address, "address");
        VectorCheck.Equal(vector.Text("host"), server.Host, "host");
        VectorCheck.Equal(vector.Number("edge_port"), server.EdgePort, "edge_port");
        VectorCheck.Equal(vector.Number("peer_port"), server.PeerPort, "peer_port");
        VectorCheck.Equal(vector.Has("version") ? vector.Text("version") : null, server.Version, "version");
        VectorCheck.Equal(vector.Number("age"), server.BlockNumber, "age");
        VectorCheck.Bytes(vector.Hex("signed_bert"), server.GetSignedBert(), "signed_bert");
        VectorCheck.Bytes(vector.Hex("object_bert"), server.EncodeBert(), "object_bert");
        var rlp = new RlpWriter();
        server.WriteRlp(rlp);
        VectorCheck.Bytes(vector.Hex("object_rlp"), rlp.WrittenSpan, "object_rlp");
        VectorCheck.Equal(vector.Hash("dht_key"), ObjectKeys.ToDhtKey(server.Address), "dht_key");
        CheckUri(vector.Text("edge_uri"), server.EdgeUri, "edge_uri");
        CheckUri(vector.Text("peer_uri"), server.PeerUri, "peer_uri");

        KeyValuePair<string, ServerValue>[] extra = ReadExtra(vector);
        VectorCheck.Equal(extra.Length, server.Extra.Count, "extra count");
        for (int i = 0; i < extra.Length; i++)
        {
            VectorCheck.Equal(extra[i].Key, server.Extra[i].Key, "extra key");
            VectorCheck.Equal(extra[i].Value.IsText, server.Extra[i].Value.IsText, "extra type");
            VectorCheck.Equal(extra[i].Value.Text, server.Extra[i].Value.Text, "extra text");
            VectorCheck.Equal(extra[i].Value.Number, server.Extra[i].Value.Number, "extra number");
        }
    }

    /// <summary>diode_node prints IPv6 hosts without brackets; ours have them, and both are read.</summary>
    private static void CheckUri(string expected, RelayUri actual, string what)
    {
        VectorCheck.True(RelayUri.TryParse(expected, out RelayUri? read), what + " was refused");
        VectorCheck.Equal(read!, actual, what);
        VectorCheck.True(RelayUri.TryParse(actual.ToString(), out RelayUri? again), what + " of ours was refused");
        VectorCheck.Equal(read!, again!, what + " of ours");
    }

    private static KeyValuePair<string, ServerValue>[] ReadExtra(VectorCase vector)
    {
        if (!vector.Has("extra"))
        {
            return [];
        }

        return [.. vector.Items("extra").Select(pair =>
        {
            JsonProperty value = VectorValue.Single(pair[1]);
            return new KeyValuePair<string, ServerValue>(
                VectorCase.ToText(pair[0]),
                value.Name switch
                {
                    "int" => ServerValue.FromNumber(VectorCase.ToInteger(value.Value)),
                    "text" => ServerValue.FromText(VectorCase.ToText(value.Value)),
                    _ => throw new VectorException("unknown type " + value.Name),
                });
        })];
    }

    private static void RunTamper(VectorCase vector)
    {
        using PrivateKey signer = vector.PrivateKey("private");
        VectorCheck.Equal(vector.Address("signer"), signer.Address, "signer");
        bool fromBert = ServerObject.TryReadBert(vector.Hex("object_bert"), out ServerObject? bert);
        bool fromRlp = ServerObject.TryReadRlp(vector.Hex("object_rlp"), out ServerObject? rlp);
        string expected = vector.Text("recovered");
        if (expected.Length != 2 * Address.Length)
        {
            VectorCheck.True(!fromBert && !fromRlp, "was accepted");
            return;
        }

        VectorCheck.True(fromBert && fromRlp, "was refused");
        VectorCheck.Equal(vector.Address("recovered"), bert!.Address, "recovered");
        VectorCheck.Equal(vector.Address("recovered"), rlp!.Address, "recovered from RLP");
        VectorCheck.True(bert.Address != signer.Address, "recovers to the signer");
    }

    private static void RunData(VectorCase vector)
    {
        using PrivateKey owner = vector.PrivateKey("private");
        VectorCheck.Equal(vector.Address("owner"), owner.Address, "owner");
        VectorCheck.True(DataObject.TryReadRlp(vector.Hex("object_rlp"), out DataObject? fromRlp), "object_rlp");
        VectorCheck.True(DataObject.TryReadBert(vector.Hex("object_bert"), out DataObject? fromBert), "object_bert");
        DataObject own = DataObject.Create(
            owner,
            vector.Whole("block_number"),
            System.Text.Encoding.UTF8.GetBytes(vector.Text("data_name")),
            vector.Hex("value"));
        foreach (DataObject data in new[] { fromRlp!, fromBert!, own })
        {
            VectorCheck.Equal(owner.Address, data.Owner, "owner");
            VectorCheck.Equal(vector.Whole("block_number"), data.BlockNumber, "block_number");
            VectorCheck.Bytes(vector.Hex("value"), data.Value, "value");
            VectorCheck.Equal(vector.Hash("object_key"), data.Key, "object_key");
            VectorCheck.Equal(vector.Hash("dht_key"), ObjectKeys.ToDhtKey(data.Key), "dht_key");
        }

        VectorCheck.Equal(vector.Signature("sig65"), fromRlp!.Signature, "sig65");
        VectorCheck.Bytes(vector.Hex("object_bert"), fromRlp.EncodeBert(), "object_bert");
        var rlp = new RlpWriter();
        fromBert!.WriteRlp(rlp);
        VectorCheck.Bytes(vector.Hex("object_rlp"), rlp.WrittenSpan, "object_rlp");
        byte[] changed = vector.Hex("object_rlp");
        changed[^1] ^= 1;
        VectorCheck.True(
            !DataObject.TryReadRlp(changed, out DataObject? other) || other.Owner != owner.Address,
            "a changed signature recovers to the owner");
    }

    private static void RunChannel(VectorCase vector)
    {
        Hash256 key = ObjectKeys.ForChannel(
            vector.Address("fleet"), vector.Text("type"), System.Text.Encoding.UTF8.GetBytes(vector.Text("channel_name")));
        VectorCheck.Equal(vector.Hash("object_key"), key, "object_key");
        VectorCheck.Equal(vector.Hash("dht_key"), ObjectKeys.ToDhtKey(key), "dht_key");
    }
}
