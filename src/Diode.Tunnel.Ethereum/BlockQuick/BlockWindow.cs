using System.Diagnostics.CodeAnalysis;

namespace Diode.Tunnel.Ethereum.BlockQuick;

/// <summary>
/// The vote of a window of final blocks on the ones that follow (diode-blockquick §12.2). Each miner has as many votes as it has
/// blocks among the final ones. A block is final, with all its ancestors, when the miners of it and of the blocks on top of it
/// have more votes than the threshold together; every miner votes once. Blocks on other branches are forgotten then.
/// Neither work, stake nor time is checked, as no client does. Not thread-safe; no clock, no I/O.
/// </summary>
public sealed class BlockWindow
{
    /// <summary>Number of final blocks that vote on Diode L1.</summary>
    public const int DefaultSize = 100;

    /// <summary>Votes that are not yet enough on Diode L1.</summary>
    public const int DefaultThreshold = 50;

    // Room for a gap sequence and a stalled chain; bounds memory and the walk per block.
    private const int MaxPendingPerSize = 8;

    private readonly int _size;
    private readonly int _threshold;
    private readonly List<BlockHeader> _final;
    private readonly Dictionary<Hash256, BlockHeader> _pending = [];

    private BlockWindow(List<BlockHeader> final, int threshold)
    {
        _size = final.Count;
        _threshold = threshold;
        _final = final;
    }

    /// <summary>The last final block.</summary>
    public BlockHeader LastFinal => _final[^1];

    /// <summary>The blocks that vote, oldest first.</summary>
    public IReadOnlyList<BlockHeader> Final => _final;

    /// <summary>Number of blocks that are kept and not final.</summary>
    public int PendingCount => _pending.Count;

    /// <summary>
    /// Begins with final blocks, oldest first. Whoever calls compares the last one with the state it trusts. False when there are
    /// not <paramref name="size"/> of them, or one is not the child of the one before.
    /// </summary>
    public static bool TryCreate(
        IReadOnlyList<BlockHeader> initial, int size, int threshold, [NotNullWhen(true)] out BlockWindow? window)
    {
        ArgumentNullException.ThrowIfNull(initial);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(size);
        ArgumentOutOfRangeException.ThrowIfNegative(threshold);
        window = null;
        if (initial.Count != size)
        {
            return false;
        }

        for (int i = 1; i < initial.Count; i++)
        {
            if (!IsChild(initial[i], initial[i - 1]))
            {
                return false;
            }
        }

        window = new BlockWindow([.. initial], threshold);
        return true;
    }

    /// <summary>A window of its own with the same final blocks and nothing else.</summary>
    public BlockWindow Copy() => new([.. _final], _threshold);

    /// <summary>
    /// Adds a block and finalises what it decides. True also for a block that is known or not above the last final one: it is
    /// ignored. False when its parent is unknown (a fork from a block that lost, or a gap), when its number is not the one after
    /// its parent's, or when too many blocks wait.
    /// </summary>
    /// <param name="block">The block.</param>
    /// <param name="allowGap">Whether the parent may be unknown, as in the sequence of <c>getblockquick2</c>.</param>
    public bool TryAdd(BlockHeader block, bool allowGap)
    {
        ArgumentNullException.ThrowIfNull(block);
        if (block.Number <= LastFinal.Number || _pending.ContainsKey(block.Hash))
        {
            return true;
        }

        bool hasParent = TryGetParent(block, out BlockHeader? parent);
        if (hasParent ? !IsChild(block, parent!) : !allowGap)
        {
            return false;
        }

        if (_pending.Count >= MaxPendingPerSize * _size)
        {
            return false;
        }

        _pending.Add(block.Hash, block);
        foreach (BlockHeader tip in TipsAbove(block))
        {
            if (TryFinalise(tip))
            {
                break;
            }
        }

        return true;
    }

    private static bool IsChild(BlockHeader block, BlockHeader parent)
    {
        return block.PreviousBlock == parent.Hash && block.Number > 0 && block.Number - 1 == parent.Number;
    }

    private bool TryGetParent(BlockHeader block, [NotNullWhen(true)] out BlockHeader? parent)
    {
        if (block.PreviousBlock == LastFinal.Hash)
        {
            parent = LastFinal;
            return true;
        }

        return _pending.TryGetValue(block.PreviousBlock, out parent);
    }

    // Mostly the block itself; one that fills a gap has the tips of what came before it, highest first.
    private BlockHeader[] TipsAbove(BlockHeader block)
    {
        HashSet<Hash256> parents = [.. _pending.Values.Select(static child => child.PreviousBlock)];
        return !parents.Contains(block.Hash)
            ? [block]
            : [.. _pending.Values.Where(tip => !parents.Contains(tip.Hash)).OrderByDescending(static tip => tip.Number)];
    }

    // Walks from the tip down. Numbers are checked here again: a parent may have come after its child.
    private bool TryFinalise(BlockHeader tip)
    {
        var chain = new List<BlockHeader> { tip };
        while (_pending.TryGetValue(chain[^1].PreviousBlock, out BlockHeader? parent))
        {
            if (!IsChild(chain[^1], parent))
            {
                return false;
            }

            chain.Add(parent);
        }

        bool isLinked = IsChild(chain[^1], LastFinal);
        int decided = FindDecided(chain);
        if (decided < 0 || (!isLinked && !MayReplace(chain, decided)))
        {
            return false;
        }

        // Newest first in the chain; with a gap the window is made of new blocks only.
        for (int i = chain.Count - 1; i >= decided; i--)
        {
            _final.Add(chain[i]);
            _pending.Remove(chain[i].Hash);
        }

        _final.RemoveRange(0, _final.Count - _size);
        ForgetForks();
        return true;
    }

    // A branch without a link to the window must be a whole window of its own, and leave room for the blocks of the gap: what
    // stands right on the last final block's height and is not its child contradicts it.
    private bool MayReplace(List<BlockHeader> chain, int decided)
    {
        return chain.Count - decided >= _size && chain[^1].Number - 1 > LastFinal.Number;
    }

    private int FindDecided(List<BlockHeader> chain)
    {
        var votes = new Dictionary<Address, int>();
        foreach (BlockHeader block in _final)
        {
            votes[block.Miner] = votes.GetValueOrDefault(block.Miner) + 1;
        }

        int sum = 0;
        for (int i = 0; i < chain.Count; i++)
        {
            // Each miner's votes count once: they are taken out when they are given.
            if (votes.Remove(chain[i].Miner, out int given))
            {
                sum += given;
            }

            if (sum > _threshold)
            {
                return i;
            }
        }

        return -1;
    }

    private void ForgetForks()
    {
        var lost = new HashSet<Hash256>();
        foreach (BlockHeader block in _pending.Values.OrderBy(static block => block.Number).ToArray())
        {
            bool isOther = block.Number - 1 == LastFinal.Number && block.PreviousBlock != LastFinal.Hash;
            if (block.Number <= LastFinal.Number || isOther || lost.Contains(block.PreviousBlock))
            {
                lost.Add(block.Hash);
                _pending.Remove(block.Hash);
            }
        }
    }
}
