using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Relay.Chains;

/// <summary>A chain of the Diode network (diode-edge §3.5, diode-contracts §11.1).</summary>
/// <param name="Prefix">Prefix of its Edge commands.</param>
/// <param name="ChainId">Chain id, as in tickets and block headers that are pushed.</param>
/// <param name="PollInterval">How often the newest block is asked for: half a block time, at most 5 s.</param>
/// <param name="AlwaysActive">Real relays know the prefix; others exist only where they are configured.</param>
/// <param name="Registry">Where fleets and tickets are registered; null when there is no such contract.</param>
/// <param name="NodeRegistry">Where relays are registered.</param>
public sealed record ChainDefinition(
    string Prefix,
    ulong ChainId,
    TimeSpan PollInterval,
    bool AlwaysActive = true,
    Address? Registry = null,
    Address? NodeRegistry = null)
{
    /// <summary>Chain id of the Diode L1.</summary>
    public const ulong DiodeChainId = 15;

    private const ulong MoonbeamChainId = 1284;
    private const ulong BaseChainId = 8453;
    private const ulong SapphireChainId = 23294;
    private const ulong AnvilChainId = 31337;

    /// <summary>All chains that can be configured.</summary>
    public static IReadOnlyList<ChainDefinition> Known { get; } =
    [
        new("diode", DiodeChainId, TimeSpan.FromSeconds(5),
            Registry: Address.Parse("0x5000000000000000000000000000000000000000")),
        new("glmr", MoonbeamChainId, TimeSpan.FromSeconds(3),
            Registry: Address.Parse("0xD78653669fd3df4dF8F3141Ffa53462121d117a4"),
            NodeRegistry: Address.Parse("0xc4b466f63c0A31302Bc8A688A7c90e1199Bb6f84")),
        new("sapphire", SapphireChainId, TimeSpan.FromSeconds(3)),
        new("base", BaseChainId, TimeSpan.FromSeconds(1),
            Registry: Address.Parse("0xfbfAF5BfF947869490C05d949c1BA5e260D6bd6E"),
            NodeRegistry: Address.Parse("0xBC7a66a80E760dD0D84f6e39Df6cfD937C6c94F6")),
        new("av", AnvilChainId, TimeSpan.FromMilliseconds(250), AlwaysActive: false),
    ];

    /// <summary>Whether this is the Diode L1: its account data have proofs and its ticket epochs count blocks.</summary>
    public bool IsDiode => ChainId == DiodeChainId;

    /// <summary>The chain with a prefix; null for an unknown one.</summary>
    public static ChainDefinition? Find(string prefix)
    {
        return Known.FirstOrDefault(chain => chain.Prefix == prefix);
    }
}
