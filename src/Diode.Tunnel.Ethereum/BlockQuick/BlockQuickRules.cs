namespace Diode.Tunnel.Ethereum.BlockQuick;

/// <summary>The numbers of the vote (diode-blockquick §12.2), and where it begins.</summary>
public sealed record BlockQuickRules
{
    /// <summary>Those of Diode L1.</summary>
    public static BlockQuickRules DiodeL1 { get; } = new()
    {
        Anchor = new TrustedBlock(10_000_000, Hash256.Parse("0x000003bb06e7fd72827ede39967b8a5073315f9f721f4cdd5efa5ec524aa6381")),
    };

    /// <summary>The block that is final because this program says so.</summary>
    public required TrustedBlock Anchor { get; init; }

    /// <summary>Number of final blocks that vote.</summary>
    public int Size { get; init; } = BlockWindow.DefaultSize;

    /// <summary>Votes that are not yet enough.</summary>
    public int Threshold { get; init; } = BlockWindow.DefaultThreshold;

    /// <summary>Blocks at the top that are not looked at yet.</summary>
    public int Confirmations { get; init; } = 6;
}
