using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.BlockQuick;
using Xunit;

namespace Diode.Tunnel.Tests.Ethereum.BlockQuick;

/// <summary>What the conformance vectors leave out; the vote itself is covered by them.</summary>
public sealed class BlockWindowTests : IDisposable
{
    private const int Size = 10;

    private readonly TestChain _chain = new(5);
    private readonly BlockHeader[] _initial;
    private readonly BlockWindow _window;

    public BlockWindowTests()
    {
        BlockHeader first = _chain.Sign(TestChain.Start(100), 0);
        _initial = [first, .. _chain.Grow(first, Size - 1)];
        Assert.True(BlockWindow.TryCreate(_initial, Size, Size / 2, out BlockWindow? window));
        _window = window;
    }

    public void Dispose() => _chain.Dispose();

    [Fact]
    public void A_gap_that_is_filled_counts()
    {
        BlockHeader[] next = _chain.Grow(_initial[^1], 4);
        Assert.True(_window.TryAdd(next[1], allowGap: true));
        Assert.True(_window.TryAdd(next[2], allowGap: false));
        Assert.True(_window.TryAdd(next[3], allowGap: false));
        Assert.Equal(_initial[^1].Hash, _window.LastFinal.Hash);
        Assert.True(_window.TryAdd(next[0], allowGap: false));
        Assert.Equal(next[1].Hash, _window.LastFinal.Hash);
        Assert.Equal(2, _window.PendingCount);
    }

    [Fact]
    public void A_fork_from_final_blocks_never_wins_however_long()
    {
        BlockHeader[] fork = _chain.Grow(_initial[4], 60, nonce: 99);
        foreach (BlockHeader block in fork)
        {
            _ = _window.TryAdd(block, allowGap: true);
            Assert.Equal(_initial[^1].Hash, _window.LastFinal.Hash);
        }
    }

    [Fact]
    public void A_branch_that_lost_is_forgotten_with_its_children()
    {
        BlockHeader[] good = _chain.Grow(_initial[^1], 3);
        BlockHeader[] bad = _chain.Grow(_initial[^1], 2, nonce: 99);
        Assert.All(bad, block => Assert.True(_window.TryAdd(block, allowGap: false)));
        Assert.All(good, block => Assert.True(_window.TryAdd(block, allowGap: false)));
        Assert.Equal(good[0].Hash, _window.LastFinal.Hash);
        Assert.Equal(2, _window.PendingCount);
        Assert.False(_window.TryAdd(_chain.Grow(bad[^1], 1)[0], allowGap: false));
    }

    [Fact]
    public void A_broken_window_is_refused()
    {
        Assert.False(BlockWindow.TryCreate(_initial[1..], Size, Size / 2, out _));
        BlockHeader[] broken = [.. _initial];
        (broken[3], broken[4]) = (broken[4], broken[3]);
        Assert.False(BlockWindow.TryCreate(broken, Size, Size / 2, out _));
    }

    [Fact]
    public void What_waits_is_bounded()
    {
        int added = 0;
        for (ulong i = 0; i < 200; i++)
        {
            UnsignedHeader alone = TestChain.Start(1000 + i) with { PreviousBlock = Hash256.Sha256([(byte)i]) };
            added += _window.TryAdd(_chain.Sign(alone, 0), allowGap: true) ? 1 : 0;
        }

        Assert.Equal(added, _window.PendingCount);
        Assert.Equal(8 * Size, added);
    }
}
