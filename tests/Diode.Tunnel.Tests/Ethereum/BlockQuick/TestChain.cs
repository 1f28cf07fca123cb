using System.Numerics;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.BlockQuick;
using Diode.Tunnel.Ethereum.Crypto;
using Xunit;

namespace Diode.Tunnel.Tests.Ethereum.BlockQuick;

/// <summary>Makes signed headers with a few miners.</summary>
internal sealed class TestChain(int miners) : IDisposable
{
    private readonly PrivateKey[] _miners = [.. Enumerable.Range(0, miners).Select(static _ => PrivateKey.Generate())];

    public static UnsignedHeader Start(ulong number) =>
        new(Hash256.Sha256([1]), Hash256.Sha256([2]), Hash256.Sha256([3]), 1_700_000_000, number, 7);

    public void Dispose()
    {
        foreach (PrivateKey miner in _miners)
        {
            miner.Dispose();
        }
    }

    public BlockHeader Sign(UnsignedHeader fields, int miner)
    {
        Assert.True(BlockHeader.TryCreate(fields, _miners[miner].SignHash(fields.Digest), out BlockHeader? header));
        return header;
    }

    public BlockHeader Next(BlockHeader parent, int miner, BigInteger? nonce = null)
    {
        return Sign(parent.Fields with { PreviousBlock = parent.Hash, Number = parent.Number + 1, Nonce = nonce ?? 1 }, miner);
    }

    /// <summary>Blocks on top of each other, their miners in turn.</summary>
    public BlockHeader[] Grow(BlockHeader parent, int count, BigInteger? nonce = null)
    {
        var blocks = new BlockHeader[count];
        for (int i = 0; i < count; i++)
        {
            parent = blocks[i] = Next(parent, (int)((parent.Number + 1) % (ulong)_miners.Length), nonce);
        }

        return blocks;
    }
}
