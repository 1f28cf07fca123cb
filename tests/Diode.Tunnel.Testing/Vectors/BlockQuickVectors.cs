using System.Text.Json;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.BlockQuick;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.Proofs;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Testing.Vectors;

/// <summary>blockquick.json</summary>
internal static class BlockQuickVectors
{
    public static void Run(VectorCase vector)
    {
        switch (vector.Kind)
        {
            case "header":
                RunHeader(vector);
                break;
            case "window":
                RunWindow(vector);
                break;
            case "merkle":
                RunMerkle(vector);
                break;
            case "account_hash":
                RunAccount(vector);
                break;
            case "empty_tree":
                RunEmptyTree(vector);
                break;
            default:
                throw new VectorException("unknown kind " + vector.Kind);
        }
    }

    // The published block has no encodings beside it.
    private static void RunHeader(VectorCase vector)
    {
        BlockHeader header = ReadHeader(vector);
        if (vector.Has("egg_bert"))
        {
            VectorCheck.Bytes(vector.Hex("egg_bert"), header.Fields.Encode(), "egg");
            VectorCheck.Equal(vector.Hash("egg_sha256"), header.Fields.Digest, "digest");
            VectorCheck.Bytes(vector.Hex("block_bert"), header.Encode(), "block");
        }

        if (vector.Has("miner_private"))
        {
            using PrivateKey miner = vector.PrivateKey("miner_private");
            VectorCheck.True(header.MinerKey.Equals(miner.PublicKey), "key of the miner");
            VectorCheck.Equal(vector.Signature("miner_signature"), miner.SignHash(header.Fields.Digest), "own signature");
        }

        if (vector.Has("getblockheader2_reply_rlp"))
        {
            bool isRead = TryReadReply(vector.Hex("getblockheader2_reply_rlp"), out BlockHeader? told);
            VectorCheck.Equal(vector.Bool("go_accepts_reply"), isRead, "reply accepted");
            VectorCheck.True(!isRead || (told!.Hash == header.Hash && told.Fields == header.Fields), "header of the reply");
        }
    }

    private static bool TryReadReply(byte[] reply, out BlockHeader? header)
    {
        header = null;
        return RlpReader.TryReadSingleList(reply, out RlpReader envelope)
            && envelope.TryReadBytes(out _)
            && envelope.TryReadList(out RlpReader response)
            && envelope.IsEmpty
            && response.TryReadBytes(out ReadOnlySpan<byte> name)
            && name.SequenceEqual("response"u8)
            && response.TryReadList(out RlpReader pairs)
            && response.TryReadBytes(out ReadOnlySpan<byte> minerKey)
            && response.IsEmpty
            && BlockHeaderReader.TryRead(pairs, minerKey, out header);
    }

    private static BlockHeader ReadHeader(VectorCase vector)
    {
        var fields = new UnsignedHeader(
            vector.Hash("previous_block"),
            vector.Hash("state_hash"),
            vector.Hash("transaction_hash"),
            vector.Whole("timestamp"),
            vector.Whole("number"),
            vector.Number("nonce"));
        VectorCheck.True(BlockHeader.TryCreate(fields, vector.Signature("miner_signature"), out BlockHeader? header), "signature");
        VectorCheck.Equal(vector.Hash("block_hash"), header!.Hash, "hash");
        VectorCheck.Equal(vector.Address("miner"), header.Miner, "miner");
        if (vector.Has("miner_pubkey"))
        {
            byte[] key = new byte[PublicKey.CompressedLength];
            header.MinerKey.CopyCompressedTo(key);
            VectorCheck.Bytes(vector.Hex("miner_pubkey"), key, "key of the miner");
        }

        return header;
    }

    private static void RunWindow(VectorCase vector)
    {
        BlockHeader[] headers = [.. vector.Items("headers").Select(static header => ReadHeader(new VectorCase(header)))];
        int size = (int)vector.Number("window_size");
        int threshold = (int)vector.Number("threshold_exclusive");
        int initial = vector.Has("initial") ? (int)vector.Number("initial") : headers.Length;
        bool isMade = BlockWindow.TryCreate(headers[..initial], size, threshold, out BlockWindow? window);
        VectorCheck.Equal(!vector.Has("new_error"), isMade, "window made");
        if (!isMade)
        {
            return;
        }

        foreach (VectorCase step in vector.Items("steps").Select(static step => new VectorCase(step)))
        {
            int index = (int)step.Number("add");
            string what = "step " + index;
            VectorCheck.Equal(step.Bool("accepted"), window!.TryAdd(headers[index], step.Bool("allow_gap")), what + " accepted");
            VectorCheck.Equal(step.Whole("last_valid_number"), window.LastFinal.Number, what + " number");
            VectorCheck.Equal(step.Hash("last_valid_hash"), window.LastFinal.Hash, what + " hash");
        }
    }

    private static void RunMerkle(VectorCase vector)
    {
        byte[] key = vector.Hex("key");
        Hash256 rootHash = vector.Hash("root_hash");
        Hash256[] roots = ReadRoots(vector);
        VectorCheck.Equal(vector.Hash("key_sha256"), Hash256.Sha256(key), "hash of the key");
        VectorCheck.Equal((int)vector.Number("root_index"), StateTree.RootIndex(key), "index of the root");
        VectorCheck.Equal(rootHash, StateTree.HashRoots(roots), "hash of the roots");
        if (vector.Has("entries"))
        {
            CheckRoots(roots, StateTree.ComputeRoots(vector.Items("entries").Select(ReadEntry)));
        }

        byte[] proof = vector.Hex("proof_rlp");
        ProofVerdict verdict = StateProof.Verify(rootHash, roots, key, proof, out Hash256 value);
        if (vector.IsNull("value"))
        {
            VectorCheck.Equal(ProofVerdict.Absent, verdict, "verdict");
            return;
        }

        VectorCheck.Equal(ProofVerdict.Present, verdict, "verdict");
        VectorCheck.Equal(vector.Hash("value"), value, "value");
    }

    private static void RunAccount(VectorCase vector)
    {
        byte[] encoded = StateTree.EncodeAccount(
            vector.Number("nonce"), vector.Number("balance"), vector.Hash("storage_root"), vector.Hash("code_hash"));
        VectorCheck.Bytes(vector.Hex("account_rlp"), encoded, "account");
        Hash256 hash = StateTree.HashAccount(
            vector.Number("nonce"), vector.Number("balance"), vector.Hash("storage_root"), vector.Hash("code_hash"));
        VectorCheck.Equal(vector.Hash("account_hash"), hash, "hash of the account");
    }

    private static void RunEmptyTree(VectorCase vector)
    {
        Hash256[] roots = StateTree.ComputeRoots([]);
        CheckRoots(ReadRoots(vector), roots);
        VectorCheck.Equal(vector.Hash("root_hash"), StateTree.HashRoots(roots), "hash of the roots");
        VectorCheck.Equal(vector.Hash("root_hash"), StateTree.EmptyRoot, "known hash");
    }

    private static void CheckRoots(Hash256[] expected, Hash256[] actual)
    {
        VectorCheck.Equal(expected.Length, actual.Length, "number of roots");
        for (int i = 0; i < expected.Length; i++)
        {
            VectorCheck.Equal(expected[i], actual[i], "root " + i);
        }
    }

    private static Hash256[] ReadRoots(VectorCase vector)
    {
        return [.. vector.Items("roots").Select(static root => ReadHash(root))];
    }

    private static KeyValuePair<byte[], Hash256> ReadEntry(JsonElement entry)
    {
        return entry.ValueKind == JsonValueKind.Array && entry.GetArrayLength() == 2
            ? new KeyValuePair<byte[], Hash256>(VectorCase.ToBytes(entry[0]), ReadHash(entry[1]))
            : throw new VectorException("an entry is a pair");
    }

    private static Hash256 ReadHash(JsonElement value)
    {
        return Hash256.TryRead(VectorCase.ToBytes(value), out Hash256 hash) ? hash : throw new VectorException("a hash is expected");
    }
}
