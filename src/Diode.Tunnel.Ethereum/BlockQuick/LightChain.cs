namespace Diode.Tunnel.Ethereum.BlockQuick;

/// <summary>
/// The state of a client that follows Diode L1 by headers alone: the last final block and, once its ancestors were shown, the window
/// that votes on the next ones. Nothing that is tried changes it unless the vote was won, so whoever shows blocks can't take room from
/// others or hold anything up. Not thread-safe; no clock, no I/O.
/// </summary>
public sealed class LightChain
{
    private readonly BlockQuickRules _rules;
    private BlockWindow? _window;

    /// <summary>Begins with a block that is trusted.</summary>
    public LightChain(BlockQuickRules rules, TrustedBlock trusted)
    {
        ArgumentNullException.ThrowIfNull(rules);
        _rules = rules;
        Trusted = trusted;
    }

    /// <summary>The last final block.</summary>
    public TrustedBlock Trusted { get; private set; }

    /// <summary>Its header; null before <see cref="TryStart"/>.</summary>
    public BlockHeader? LastFinal => _window?.LastFinal;

    /// <summary>Number of the first block that <see cref="TryStart"/> needs.</summary>
    public ulong FirstOfWindow => Trusted.Number - Math.Min(Trusted.Number, (ulong)_rules.Size - 1);

    /// <summary>
    /// Takes the window that ends in the trusted block. Each header names the hash of the one before, so that one hash vouches for all
    /// of them and it does not matter who shows them.
    /// </summary>
    /// <param name="headers">From <see cref="FirstOfWindow"/> on, the trusted block last.</param>
    public LightChainVerdict TryStart(IReadOnlyList<BlockHeader> headers)
    {
        ArgumentNullException.ThrowIfNull(headers);
        if (headers.Count == 0 || headers[^1].Number != Trusted.Number || headers[^1].Hash != Trusted.Hash)
        {
            return LightChainVerdict.OtherChain;
        }

        if (!BlockWindow.TryCreate(headers, _rules.Size, _rules.Threshold, out BlockWindow? window))
        {
            return LightChainVerdict.NotLinked;
        }

        _window = window;
        return LightChainVerdict.Advanced;
    }

    /// <summary>Tries blocks above the last final one, oldest first.</summary>
    /// <param name="blocks">The blocks, each the child of the one before.</param>
    /// <param name="allowGap">Whether blocks between the last final one and these may be left out.</param>
    public LightChainVerdict TryAdvance(IReadOnlyList<BlockHeader> blocks, bool allowGap)
    {
        ArgumentNullException.ThrowIfNull(blocks);
        if (_window is null)
        {
            return LightChainVerdict.OtherChain;
        }

        BlockWindow trial = _window.Copy();
        for (int i = 0; i < blocks.Count; i++)
        {
            if (!trial.TryAdd(blocks[i], allowGap && i == 0))
            {
                return LightChainVerdict.NotLinked;
            }
        }

        if (trial.LastFinal.Number <= _window.LastFinal.Number)
        {
            return LightChainVerdict.Undecided;
        }

        _window = trial.Copy();
        Trusted = new TrustedBlock(_window.LastFinal.Number, _window.LastFinal.Hash);
        return LightChainVerdict.Advanced;
    }
}

/// <summary>What became of blocks that were shown.</summary>
public enum LightChainVerdict
{
    /// <summary>There is a new final block, or the window was taken.</summary>
    Advanced,

    /// <summary>They are in order, the votes are not enough yet.</summary>
    Undecided,

    /// <summary>They do not follow from the last final block, or not from each other.</summary>
    NotLinked,

    /// <summary>They are of another chain than the trusted block.</summary>
    OtherChain,
}
