using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Relay.Kademlia;
using Xunit;

namespace Diode.Tunnel.Tests.Relay.Kademlia;

public sealed class RingTests
{
    private static readonly Address Self = Number(1);

    [Fact]
    public void A_relay_alone_is_responsible_for_everything()
    {
        var view = new RingView(Self, [], []);
        Assert.Equal(1, view.Count);
        Assert.Empty(view.SelectReplicas(default));
        Assert.Empty(view.SelectHints([]));
        Assert.True(view.IsReplica(RingKey.Max));
        Assert.Equal(RingRange.Everything, view.GetRange(Self));
    }

    [Fact]
    public void A_connection_to_a_stranger_makes_no_member()
    {
        var view = new RingView(Self, [Number(2)], [Number(2), Number(3)]);
        Assert.Equal([Number(2)], view.SelectReplicas(default));
    }

    [Fact]
    public void A_range_may_go_across_the_top()
    {
        var range = new RingRange(RingKey.Midpoint(RingKey.Max, RingKey.Max), RingKey.OfNode(Self));
        Assert.Equal(RingKey.Max, range.Start);
        Assert.True(range.Contains(RingKey.Max));
        Assert.True(range.Contains(default));
        Assert.False(range.Contains(RingKey.Midpoint(RingKey.Max, RingKey.OfNode(Self))));
    }

    [Fact]
    public void Ranges_of_a_ring_overlap_nowhere_but_at_the_top()
    {
        // The wrap-around is ignored by all relays alike: only keys near the top may have two owners or none.
        Address[] ring = [.. Enumerable.Range(1, 40).Select(Number)];
        var view = new RingView(Self, ring, ring);
        RingKey[] places = [.. ring.Select(RingKey.OfNode).Order()];
        foreach (Address node in ring.Where(node => RingKey.OfNode(node) != places[0] && RingKey.OfNode(node) != places[^1]))
        {
            RingRange range = view.GetRange(node);
            Assert.True(range.Start <= range.End);
            Assert.Single(places, range.Contains);
        }
    }

    private static Address Number(int number)
    {
        byte[] bytes = new byte[Address.Length];
        bytes[^1] = (byte)number;
        return new Address(bytes);
    }

    [Fact]
    public void Zones_cover_the_ring_without_gaps()
    {
        Address[] members = [.. Enumerable.Range(1, 7).Select(i => new Address(Hash256.Sha256([(byte)i]).ToArray().AsSpan(0, Address.Length)))];
        var view = new RingView(members[0], members, members);
        for (int i = 0; i < 200; i++)
        {
            var key = new RingKey(Hash256.Sha256([(byte)i, 9]));
            Address nearest = view.NearestOnline(key).First();
            Assert.True(view.GetZone(nearest).Contains(key));
            Assert.Equal(1, members.Count(member => view.GetZone(member).Contains(key)));
        }
    }
}
