using System.Numerics;
using System.Text.Json;
using Diode.Tunnel.Edge.Objects;
using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Testing.Vectors;

/// <summary>ticket_v1.json and ticket_v2.json</summary>
internal static class TicketVectors
{
    private const int WordLength = 32;

    public static void Run(VectorCase vector)
    {
        switch (vector.Kind)
        {
            case "":
                RunTicket(vector);
                break;
            case "tamper":
                RunTamper(vector);
                break;
            case "freshness":
                RunFreshness(vector);
                break;
            case "create_local_address":
                RunCreateLocalAddress(vector);
                break;
            default:
                throw new VectorException("unknown kind " + vector.Kind);
        }
    }

    private static void RunTicket(VectorCase vector)
    {
        using PrivateKey device = vector.PrivateKey("device_private");
        using PrivateKey server = vector.PrivateKey("server_private");
        VectorCheck.Equal(vector.Address("device"), device.Address, "device");
        VectorCheck.Equal(vector.Address("server"), server.Address, "server");

        Ticket unsigned = ReadTicket(vector);
        Ticket ticket = unsigned with
        {
            DeviceSignature = vector.Signature("device_sig65"),
            ServerSignature = vector.Signature("server_sig65"),
        };
        CheckWords(vector, "words", ticket.GetWords());
        VectorCheck.Bytes(
            vector.Hex("local_address_sha256"),
            Hash256.Sha256(ticket.LocalAddress.Span).ToArray(),
            "local_address_sha256");
        VectorCheck.Equal(vector.Hash("digest"), ticket.GetDeviceDigest(), "digest");
        VectorCheck.Equal((int)vector.Number("server_blob_length"), ticket.GetServerBlob().Length, "server blob");
        VectorCheck.Equal(vector.Hash("server_digest"), ticket.GetServerDigest(), "server_digest");
        CheckRecovery(vector, ticket);
        VectorCheck.True(ticket.IsSignedBy(device.Address), "is not signed by the device");
        CheckRecovery(vector, unsigned.Sign(device).Countersign(server));

        VectorCheck.Equal(vector.Whole("epoch"), ticket.Epoch, "epoch");
        VectorCheck.Equal(vector.Number("score"), (BigInteger)ticket.Score, "score");
        VectorCheck.Equal(vector.Number("node_age"), (BigInteger)ticket.NodeAge, "node_age");
        VectorCheck.Equal(vector.Bool("too_many_bytes"), ticket.HasTooManyBytes, "too_many_bytes");
        VectorCheck.Equal(
            vector.Has("go_refuses") ? vector.Text("go_refuses") : null, ticket.ClientRefusal, "go_refuses");
        VectorCheck.Equal(vector.Hash("dht_key"), ObjectKeys.ToDhtKey(device.Address), "dht_key");
        CheckWords(vector, "contract_raw_words", ticket.GetContractWords());
        CheckEncodings(vector, ticket);
        CheckPreference(vector, ticket);
    }

    private static void CheckRecovery(VectorCase vector, Ticket ticket)
    {
        VectorCheck.True(ticket.TryRecoverDevice(out Address device), "device signature does not recover");
        VectorCheck.Equal(vector.Address("recovered_device"), device, "recovered_device");
        VectorCheck.True(ticket.TryRecoverServer(out Address server), "server signature does not recover");
        VectorCheck.Equal(vector.Address("recovered_server"), server, "recovered_server");
    }

    private static void CheckEncodings(VectorCase vector, Ticket ticket)
    {
        VectorCheck.Bytes(vector.Hex("submit_rlp"), Encode(ticket.WriteSubmission), "submit_rlp");
        VectorCheck.Bytes(vector.Hex("object_rlp"), Encode(ticket.WriteObject), "object_rlp");
        VectorCheck.Bytes(vector.Hex("object_bert"), ticket.EncodeBert(), "object_bert");
        VectorCheck.Bytes(
            vector.Hex("summary_rlp"),
            Encode(rlp =>
            {
                rlp.BeginList();
                ticket.WriteSummary(rlp);
                rlp.EndList();
            }),
            "summary_rlp");

        Hash256? blockHash = (ticket as TicketV1)?.BlockHash;
        VectorCheck.True(Ticket.TryReadObject(vector.Hex("object_rlp"), out Ticket? fromRlp), "object_rlp was refused");
        CheckSame(vector, fromRlp!, blockHash, "object_rlp");
        VectorCheck.True(Ticket.TryReadBert(vector.Hex("object_bert"), out Ticket? fromBert), "object_bert was refused");
        CheckSame(vector, fromBert!, blockHash, "object_bert");
        VectorCheck.True(
            DiodeObject.TryRead(vector.Hex("object_rlp"), out DiodeObject? value) && value.Ticket is not null,
            "object_rlp is no object");

        RlpReader.TryReadSingleList(vector.Hex("submit_rlp"), out RlpReader submission);
        submission.TryReadBytes(out _);
        RlpReader.TryReadSingleList(vector.Hex("summary_rlp"), out RlpReader summary);
        if (ticket is TicketV2)
        {
            VectorCheck.True(
                TicketV2.TryReadSubmission(submission, ticket.Server, out TicketV2? submitted), "submit was refused");
            CheckSame(vector, submitted!, null, "submit_rlp");
            VectorCheck.True(
                TicketV2.TryReadSummary(summary, ticket.Server, ticket.Fleet, out TicketV2? stored),
                "summary was refused");
            CheckSame(vector, stored!, null, "summary_rlp");
        }
        else
        {
            VectorCheck.True(
                TicketV1.TryReadSubmission(submission, ticket.Server, out TicketV1? submitted), "submit was refused");
            CheckSame(vector, submitted!, blockHash, "submit_rlp");
            VectorCheck.True(
                TicketV1.TryReadSummary(summary, ticket.Server, ticket.Fleet, out TicketV1? stored),
                "summary was refused");
            CheckSame(vector, stored!, blockHash, "summary_rlp");
        }
    }

    private static void CheckSame(VectorCase vector, Ticket read, Hash256? blockHash, string what)
    {
        Ticket complete = read is TicketV1 v1 ? v1 with { BlockHash = blockHash } : read;
        VectorCheck.Equal(vector.Hash("digest"), complete.GetDeviceDigest(), what + " digest");
        VectorCheck.Equal(vector.Signature("device_sig65"), complete.DeviceSignature!.Value, what + " signature");
        if (complete.ServerSignature is Signature65 signature)
        {
            VectorCheck.Equal(vector.Signature("server_sig65"), signature, what + " server signature");
        }
    }

    private static void CheckPreference(VectorCase vector, Ticket ticket)
    {
        LocalAddress local = ticket.ReadLocalAddress();
        VectorCase preferred = vector.Sub("preferred");
        CheckAddresses(preferred.Items("node"), local.RelayRoute(ticket.Server), "preferred by the node");
        VectorCase client = preferred.Sub("client");
        CheckAddresses(client.Items("go_preferred"), local.PreferredRelays(ticket.Server), "preferred by Go");
        VectorCheck.Equal(client.Bool("go_has_timestamp"), local.Timestamp is not null, "has a timestamp");
        VectorCheck.Equal(client.Whole("go_timestamp"), local.Timestamp ?? 0, "timestamp");

        VectorCase age = vector.Sub("client_age");
        VectorCheck.Equal(age.Number("go"), (BigInteger)ticket.ClientAge, "age for Go");
        CheckElixirView(client, age, ticket, local);
    }

    /// <summary>
    /// The Elixir client deviates where the reference says so: a missing time is 0, an empty list gives no relay,
    /// entries of any length are kept, a broken body is an error.
    /// </summary>
    private static void CheckElixirView(VectorCase client, VectorCase age, Ticket ticket, LocalAddress local)
    {
        if (client.Has("ex_error"))
        {
            VectorCheck.Equal(LocalAddressForm.None, local.Form, "form of a broken local address");
            VectorCheck.True(
                ticket is TicketV1 || string.Equals(age.Text("elixir"), "error", StringComparison.Ordinal),
                "age of a broken local address");
            return;
        }

        int form = (int)client.Number("ex_version");
        VectorCheck.Equal(
            form,
            local.Form switch
            {
                LocalAddressForm.Metadata => 2,
                LocalAddressForm.None => 0,
                _ => 1,
            },
            "form");
        IEnumerable<JsonElement> kept = client.Items("ex_preferred")
            .Where(item => VectorCase.ToText(item).Length == 2 * Address.Length);
        CheckAddresses(
            kept, form == 2 ? local.Relays : local.PreferredRelays(ticket.Server), "preferred by Elixir");
        UInt128 expected = ticket switch
        {
            TicketV1 => ticket.NodeAge,
            _ when form == 2 => ((UInt128)ticket.Epoch * ulong.MaxValue)
                + (2 * ((1UL << 60) - 1))
                + (local.Timestamp ?? 0),
            _ => ticket.NodeAge,
        };
        VectorCheck.Equal(age.Number("elixir"), (BigInteger)expected, "age for Elixir");
    }

    private static void RunTamper(VectorCase vector)
    {
        using PrivateKey device = vector.PrivateKey("device_private");
        VectorCheck.Equal(vector.Address("device"), device.Address, "device");
        Ticket ticket = ReadTicket(vector) with { DeviceSignature = vector.Signature("device_sig65") };
        VectorCheck.Equal(vector.Hash("digest"), ticket.GetDeviceDigest(), "digest");
        string expected = vector.Text("recovered_device");
        bool hasAnswer = expected.Length == 2 * Address.Length;
        bool recovered = ticket.TryRecoverDevice(out Address signer);
        VectorCheck.Equal(hasAnswer, recovered, "recovers");
        if (recovered)
        {
            VectorCheck.Equal(vector.Address("recovered_device"), signer, "recovered_device");
        }

        // Plain ECDSA holds exactly if the flipped recovery id or the given one leads to the device.
        byte[] flipped = vector.Hex("device_sig65");
        flipped[0] ^= 1;
        bool plain = signer == device.Address
            || (Signature65.TryFromBytes(flipped, out Signature65 other)
                && other.TryRecoverAddress(ticket.GetDeviceDigest(), out Address second)
                && second == device.Address);
        VectorCheck.Equal(vector.Bool("node_verify_for_device"), plain, "node_verify_for_device");
    }

    private static void RunFreshness(VectorCase vector)
    {
        byte[] local = vector.Hex("local_address");
        ulong version = vector.Whole("version");
        Ticket ticket = version switch
        {
            1 => new TicketV1
            {
                BlockNumber = vector.Whole("block_number"),
                Server = default,
                Fleet = default,
                TotalBytes = 0,
                TotalConnections = 0,
                LocalAddress = local,
            },
            2 => new TicketV2
            {
                ChainId = 1284,
                EpochNumber = vector.Whole("epoch"),
                Server = default,
                Fleet = default,
                TotalBytes = 0,
                TotalConnections = 0,
                LocalAddress = local,
            },
            _ => throw new VectorException("unknown version"),
        };
        VectorCheck.Equal(
            vector.Bool("recent"),
            ticket.IsRecentAt(vector.Whole("peak_timestamp"), vector.Whole("peak_block")),
            "recent");
    }

    private static void RunCreateLocalAddress(VectorCase vector)
    {
        Address server = vector.Address("server");
        Address[] relays = LocalAddress.ChooseRelays(server, Optional(vector, "primary"), Optional(vector, "secondary"));
        CheckAddresses(vector.Items("preferred"), relays, "preferred");
        byte[] encoded = LocalAddress.Encode(relays, vector.Whole("timestamp"));
        VectorCheck.Bytes(vector.Hex("local_address"), encoded, "local_address");
        LocalAddress read = LocalAddress.Read(encoded);
        CheckAddresses(vector.Items("preferred"), read.PreferredRelays(server), "preferred, read back");
        VectorCheck.Equal(vector.Whole("timestamp"), read.Timestamp ?? 0, "timestamp");
    }

    private static Address? Optional(VectorCase vector, string field)
    {
        return vector.IsNull(field) ? null : vector.Address(field);
    }

    private static Ticket ReadTicket(VectorCase vector)
    {
        if (vector.Has("chain_id"))
        {
            return new TicketV2
            {
                ChainId = vector.Whole("chain_id"),
                EpochNumber = vector.Whole("epoch"),
                Server = vector.Address("server"),
                Fleet = vector.Address("fleet"),
                TotalConnections = vector.Whole("total_connections"),
                TotalBytes = vector.Whole("total_bytes"),
                LocalAddress = vector.Hex("local_address"),
            };
        }

        return new TicketV1
        {
            BlockNumber = vector.Whole("block_number"),
            BlockHash = vector.Hash("block_hash"),
            Server = vector.Address("server"),
            Fleet = vector.Address("fleet"),
            TotalConnections = vector.Whole("total_connections"),
            TotalBytes = vector.Whole("total_bytes"),
            LocalAddress = vector.Hex("local_address"),
        };
    }

    private static void CheckWords(VectorCase vector, string field, byte[] words)
    {
        byte[] expected = [.. vector.Items(field).SelectMany(VectorCase.ToBytes)];
        VectorCheck.Equal(0, expected.Length % WordLength, field + " length");
        VectorCheck.Bytes(expected, words, field);
    }

    private static void CheckAddresses(IEnumerable<JsonElement> expected, IEnumerable<Address> actual, string what)
    {
        string left = string.Join(' ', expected.Select(VectorCase.ToAddress));
        VectorCheck.Equal(left, string.Join(' ', actual), what);
    }

    private static byte[] Encode(Action<RlpWriter> write)
    {
        var rlp = new RlpWriter();
        write(rlp);
        return rlp.ToArray();
    }
}
