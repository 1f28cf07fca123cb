using System.Collections.Immutable;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Relay.Kademlia;

/// <summary>
/// Who is on the ring and who of them can be reached now, as seen by one member. Immutable: a change makes a new one.
/// </summary>
public sealed class RingView
{
    private readonly ImmutableArray<(Address Address, RingKey Key)> _members;
    private readonly ImmutableArray<(Address Address, RingKey Key)> _reachable;

    /// <summary>Takes the ring in any order; whoever is on-line but no member is left out.</summary>
    /// <param name="self">This relay; always reachable, and a member in any case.</param>
    /// <param name="members">The ring.</param>
    /// <param name="online">Members with a connection that has said hello.</param>
    public RingView(Address self, IEnumerable<Address> members, IEnumerable<Address> online)
    {
        Self = self;
        HashSet<Address> reachable = [self, .. online];
        _members = [.. members.Append(self).Distinct().Select(address => (address, RingKey.OfNode(address)))];
        _reachable = [.. _members.Where(member => reachable.Contains(member.Address))];
    }

    /// <summary>This relay.</summary>
    public Address Self { get; }

    /// <summary>Number of members, this relay among them.</summary>
    public int Count => _members.Length;

    /// <summary>The nearest reachable members, nearest first.</summary>
    public IEnumerable<Address> NearestOnline(RingKey key, bool withSelf = true)
    {
        return RingOrder.Nearest(_reachable, key, member => member.Key)
            .Select(member => member.Address)
            .Where(address => withSelf || address != Self);
    }

    /// <summary>The members that should hold an object, without this relay.</summary>
    public IReadOnlyList<Address> SelectReplicas(RingKey key)
    {
        return [.. NearestOnline(key).Take(ReplicaRules.Replicas).Where(address => address != Self)];
    }

    /// <summary>Whether this relay itself should hold an object.</summary>
    public bool IsReplica(RingKey key)
    {
        return NearestOnline(key).Take(ReplicaRules.Replicas).Contains(Self);
    }

    /// <summary>
    /// Whom to name in an answer without a value: of the three members nearest to SHA256(id) those other than this
    /// relay. Whether they are on-line doesn't matter.
    /// </summary>
    public IReadOnlyList<Address> SelectHints(ReadOnlySpan<byte> id)
    {
        var key = RingKey.OfRequest(id);
        return
        [
            .. RingOrder.Nearest(_members, key, member => member.Key)
                .Take(ReplicaRules.Replicas)
                .Select(member => member.Address)
                .Where(address => address != Self),
        ];
    }

    /// <summary>From halfway to the reachable member below up to halfway to the one above.</summary>
    public RingRange GetRange(Address node)
    {
        var key = RingKey.OfNode(node);
        (Address Address, RingKey Key)[] below = [.. RingOrder.Predecessors(_reachable, key, member => member.Key).Take(1)];
        (Address Address, RingKey Key)[] above = [.. RingOrder.Successors(_reachable, key, member => member.Key).Take(1)];
        return below.Length == 0
            ? RingRange.Everything
            : new RingRange(RingKey.Midpoint(below[0].Key, key), RingKey.Midpoint(key, above[0].Key));
    }

    /// <summary>
    /// The keys this reachable member is nearest to, also where the ring wraps around, which
    /// <see cref="GetRange"/> ignores as real relays do; for what this relay decides alone.
    /// </summary>
    public RingRange GetZone(Address node)
    {
        var key = RingKey.OfNode(node);
        (Address Address, RingKey Key)[] below = [.. RingOrder.Predecessors(_reachable, key, member => member.Key).Take(1)];
        (Address Address, RingKey Key)[] above = [.. RingOrder.Successors(_reachable, key, member => member.Key).Take(1)];
        return below.Length == 0
            ? RingRange.Everything
            : new RingRange(below[0].Key.HalfwayUpTo(key), key.HalfwayUpTo(above[0].Key));
    }
}
