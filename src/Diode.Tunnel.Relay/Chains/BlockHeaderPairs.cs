using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Diode.Tunnel.Edge.Bert;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.JsonRpc;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Relay.Chains;

/// <summary>The header of a block as Edge clients get it (diode-edge §3.5, diode-blockquick §12.1).</summary>
internal static class BlockHeaderPairs
{
    private const int CompressedKeyLength = 33;

    /// <summary>Writes the list of pairs in ascending order of their keys.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="block">The block.</param>
    /// <param name="withMiner">Nine pairs; without it the eight of <c>getblockheader2</c>.</param>
    public static void Write(RlpWriter writer, ChainBlock block, bool withMiner)
    {
        writer.BeginList();
        WriteHash(writer, "block_hash"u8, block.Hash);
        if (withMiner)
        {
            writer.BeginList();
            writer.WriteBytes("miner"u8);
            writer.WriteAddress(block.Miner);
            writer.EndList();
        }

        WriteBytes(writer, "miner_signature"u8, block.MinerSignature.Span);
        WriteBytes(writer, "nonce"u8, block.Nonce.Span);
        WriteNumber(writer, "number"u8, block.Number);
        WriteHash(writer, "previous_block"u8, block.ParentHash);
        WriteHash(writer, "state_hash"u8, block.StateRoot);
        WriteNumber(writer, "timestamp"u8, block.Timestamp);
        WriteHash(writer, "transaction_hash"u8, block.TransactionsRoot);
        writer.EndList();
    }

    /// <summary>The key that signed the block, if it is the miner's.</summary>
    public static bool TryRecoverMiner(ChainBlock block, [NotNullWhen(true)] out byte[]? compressedKey)
    {
        compressedKey = null;
        byte[] signed = BertEncoder.Encode(BertTerm.FromList(
            BertTerm.FromBinary(block.ParentHash.ToArray()),
            BertTerm.FromBinary(block.StateRoot.ToArray()),
            BertTerm.FromBinary(block.TransactionsRoot.ToArray()),
            BertTerm.FromNumber(block.Timestamp),
            BertTerm.FromNumber(block.Number),
            BertTerm.FromNumber(new System.Numerics.BigInteger(block.Nonce.Span, isUnsigned: true, isBigEndian: true))));
        if (!Signature65.TryFromBytes(block.MinerSignature.Span, out Signature65 signature)
            || !signature.TryRecover(new Hash256(SHA256.HashData(signed)), out PublicKey? key)
            || key.Address != block.Miner)
        {
            return false;
        }

        compressedKey = new byte[CompressedKeyLength];
        key.CopyCompressedTo(compressedKey);
        return true;
    }

    private static void WriteHash(RlpWriter writer, ReadOnlySpan<byte> key, in Hash256 hash)
    {
        writer.BeginList();
        writer.WriteBytes(key);
        writer.WriteHash(hash);
        writer.EndList();
    }

    private static void WriteBytes(RlpWriter writer, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        writer.BeginList();
        writer.WriteBytes(key);
        writer.WriteBytes(value);
        writer.EndList();
    }

    private static void WriteNumber(RlpWriter writer, ReadOnlySpan<byte> key, ulong value)
    {
        writer.BeginList();
        writer.WriteBytes(key);
        writer.WriteUInt64(value);
        writer.EndList();
    }
}
