namespace Diode.Tunnel.Relay.Kademlia;

/// <summary>The keys a relay is nearest to. A start above the end means that the range goes across the top.</summary>
/// <param name="Start">First key.</param>
/// <param name="End">Last key.</param>
public readonly record struct RingRange(RingKey Start, RingKey End)
{
    /// <summary>The whole ring.</summary>
    public static RingRange Everything => new(default, RingKey.Max);

    /// <summary>Whether a key is inside.</summary>
    public bool Contains(RingKey key)
    {
        return Start <= End ? key >= Start && key <= End : key >= Start || key <= End;
    }
}
