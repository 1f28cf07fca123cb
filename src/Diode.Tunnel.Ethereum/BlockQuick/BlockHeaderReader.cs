using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Ethereum.BlockQuick;

/// <summary>
/// Reads the answer to <c>getblockheader2</c> (diode-blockquick §12.1): exactly eight pairs of key and value, and the compressed
/// key of the miner. Input is untrusted, nothing throws.
/// </summary>
public ref struct BlockHeaderReader
{
    private const int Pairs = 8;

    private Hash256 _block;
    private Hash256 _previous;
    private Hash256 _state;
    private Hash256 _transactions;
    private Signature65 _signature;
    private ReadOnlySpan<byte> _nonce;
    private ulong _number;
    private ulong _timestamp;

    /// <summary>
    /// Reads a header. False when a pair is missing, twice there or malformed, when the hash told is not the one computed, or when
    /// the miner told did not sign.
    /// </summary>
    /// <param name="pairs">The members of the list of pairs, in any order.</param>
    /// <param name="minerKey">The key told beside them.</param>
    /// <param name="header">The header.</param>
    public static bool TryRead(RlpReader pairs, scoped ReadOnlySpan<byte> minerKey, [NotNullWhen(true)] out BlockHeader? header)
    {
        header = null;
        BlockHeaderReader found = default;
        int seen = 0;
        for (int i = 0; i < Pairs; i++)
        {
            if (!pairs.TryReadList(out RlpReader pair)
                || !pair.TryReadBytes(out ReadOnlySpan<byte> key)
                || !found.TryReadValue(key, ref pair, out int bit)
                || !pair.IsEmpty
                || (seen & bit) != 0)
            {
                return false;
            }

            seen |= bit;
        }

        if (!pairs.IsEmpty)
        {
            return false;
        }

        var nonce = new BigInteger(found._nonce, isUnsigned: true, isBigEndian: true);
        var fields = new UnsignedHeader(
            found._previous, found._state, found._transactions, found._timestamp, found._number, nonce);

        // The hash first: recovering a key costs a hundred times as much.
        header = BlockHeader.HashOf(fields, found._signature) == found._block
            && BlockHeader.TryCreate(fields, found._signature, out BlockHeader? signed)
            && IsKeyOf(signed, minerKey) ? signed : null;
        return header is not null;
    }

    private static bool IsKeyOf(BlockHeader header, scoped ReadOnlySpan<byte> minerKey)
    {
        Span<byte> key = stackalloc byte[PublicKey.CompressedLength];
        header.MinerKey.CopyCompressedTo(key);
        return minerKey.SequenceEqual(key);
    }

    private bool TryReadValue(scoped ReadOnlySpan<byte> key, ref RlpReader pair, out int bit)
    {
        bit = 0;
        if (key.SequenceEqual("block_hash"u8))
        {
            bit = 1;
            return pair.TryReadHash(out _block);
        }

        if (key.SequenceEqual("miner_signature"u8))
        {
            bit = 1 << 1;
            return pair.TryReadBytes(Signature65.Length, out ReadOnlySpan<byte> bytes)
                && Signature65.TryFromBytes(bytes, out _signature);
        }

        if (key.SequenceEqual("nonce"u8))
        {
            bit = 1 << 2;
            return pair.TryReadBytes(out _nonce) && _nonce.Length <= UnsignedHeader.MaxNonceLength;
        }

        if (key.SequenceEqual("number"u8))
        {
            bit = 1 << 3;
            return pair.TryReadUInt64(out _number);
        }

        if (key.SequenceEqual("previous_block"u8))
        {
            bit = 1 << 4;
            return pair.TryReadHash(out _previous);
        }

        if (key.SequenceEqual("state_hash"u8))
        {
            bit = 1 << 5;
            return pair.TryReadHash(out _state);
        }

        if (key.SequenceEqual("timestamp"u8))
        {
            bit = 1 << 6;
            return pair.TryReadUInt64(out _timestamp);
        }

        bit = 1 << 7;
        return key.SequenceEqual("transaction_hash"u8) && pair.TryReadHash(out _transactions);
    }
}
