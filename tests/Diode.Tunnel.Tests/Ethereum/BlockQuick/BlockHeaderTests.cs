using System.Numerics;
using Diode.Tunnel.Ethereum.BlockQuick;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.Rlp;
using Diode.Tunnel.Testing;
using Xunit;

namespace Diode.Tunnel.Tests.Ethereum.BlockQuick;

public sealed class BlockHeaderTests : IDisposable
{
    private const int Inputs = 100_000;

    private readonly TestChain _chain = new(2);

    public void Dispose() => _chain.Dispose();

    [Fact]
    public void Damaged_replies_never_throw_and_never_change_the_header()
    {
        BlockHeader header = _chain.Sign(TestChain.Start(5), 0);
        byte[] good = Reply(header, header);
        var mutator = new InputMutator(12, good, Reply(_chain.Next(header, 1, nonce: BigInteger.Pow(2, 250)), header));
        int accepted = 0;
        for (int i = 0; i < Inputs; i++)
        {
            if (TryRead(mutator.Next(), out BlockHeader? read))
            {
                accepted++;
                Assert.Equal(header.Hash, read!.Hash);
            }
        }

        Assert.InRange(accepted, 100, Inputs / 10);
    }

    [Fact]
    public void The_key_told_must_have_signed()
    {
        BlockHeader first = _chain.Sign(TestChain.Start(5), 0);
        BlockHeader other = _chain.Next(first, 1);
        Assert.True(TryRead(Reply(first, first), out _));
        Assert.False(TryRead(Reply(first, other), out BlockHeader? none));
        Assert.Null(none);
    }

    [Fact]
    public void Another_signature_is_another_block()
    {
        BlockHeader first = _chain.Sign(TestChain.Start(5), 0);
        BlockHeader other = _chain.Sign(first.Fields, 1);
        Assert.NotEqual(first.Hash, other.Hash);
        Assert.NotEqual(first.Miner, other.Miner);
    }

    private static bool TryRead(ReadOnlySpan<byte> reply, out BlockHeader? header)
    {
        header = null;
        return RlpReader.TryReadSingleList(reply, out RlpReader items)
            && items.TryReadList(out RlpReader pairs)
            && items.TryReadBytes(out ReadOnlySpan<byte> key)
            && BlockHeaderReader.TryRead(pairs, key, out header);
    }

    private static byte[] Reply(BlockHeader header, BlockHeader keyOf)
    {
        byte[] key = new byte[PublicKey.CompressedLength];
        keyOf.MinerKey.CopyCompressedTo(key);
        var writer = new RlpWriter();
        writer.BeginList();
        writer.BeginList();
        Pair("block_hash", () => writer.WriteHash(header.Hash));
        Pair("miner_signature", () => writer.WriteBytes(header.Signature.ToArray()));
        Pair("nonce", () => writer.WriteBigInteger(header.Fields.Nonce));
        Pair("number", () => writer.WriteUInt64(header.Number));
        Pair("previous_block", () => writer.WriteHash(header.PreviousBlock));
        Pair("state_hash", () => writer.WriteHash(header.Fields.StateHash));
        Pair("timestamp", () => writer.WriteUInt64(header.Fields.Timestamp));
        Pair("transaction_hash", () => writer.WriteHash(header.Fields.TransactionHash));
        writer.EndList();
        writer.WriteBytes(key);
        writer.EndList();
        return writer.ToArray();

        void Pair(string name, Action write)
        {
            writer.BeginList();
            writer.WriteText(name);
            write();
            writer.EndList();
        }
    }
}
