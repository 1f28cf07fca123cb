using Diode.Tunnel.Edge.Objects;
using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Relay.Kademlia;
using Diode.Tunnel.Relay.RelayPeers;
using Xunit;

namespace Diode.Tunnel.Tests.Relay.RelayPeers;

public sealed class DhtStoreTests : IDisposable
{
    private const long NowMs = 1_795_252_371_000;
    private const long DayMs = 86_400_000;

    private readonly PrivateKey _self = PrivateKey.Generate();
    private readonly PrivateKey _relay = PrivateKey.Generate();
    private readonly PrivateKey _device = PrivateKey.Generate();

    public void Dispose()
    {
        _self.Dispose();
        _relay.Dispose();
        _device.Dispose();
    }

    [Fact]
    public void A_lie_about_the_key_or_a_changed_object_is_refused()
    {
        var store = new DhtStore(_self.Address);
        DhtObject ticket = PeerWorld.MakeTicket(_device, _relay, 100);
        byte[] encoded = ticket.Encoded.ToArray();
        Assert.Equal(DhtStoreResult.WrongKey, Offer(store, ObjectKeys.ToDhtKey(_relay.Address), encoded, NowMs));

        // The relay is named early in the object: another one makes another signer, hence another key.
        encoded[30] ^= 1;
        DhtStoreResult changed = Offer(store, ticket.Key, encoded, NowMs);
        Assert.True(changed is DhtStoreResult.WrongKey or DhtStoreResult.Invalid);
        Assert.Equal(DhtStoreResult.Invalid, Offer(store, ticket.Key, [131, 106], NowMs));
        Assert.Equal(DhtStoreResult.Invalid, Offer(store, ticket.Key, [], NowMs));
        Assert.Equal(0, store.Count);
    }

    [Fact]
    public void Of_several_during_the_waiting_time_the_newest_is_stored()
    {
        var store = new DhtStore(_self.Address);
        DhtObject[] tickets = [.. new ulong[] { 10, 30, 20 }.Select(bytes => PeerWorld.MakeTicket(_device, _relay, bytes))];
        Assert.Equal(DhtStoreResult.Stored, Offer(store, tickets[0], NowMs));
        Assert.Equal(DhtStoreResult.Delayed, Offer(store, tickets[1], NowMs + 1));
        Assert.Equal(DhtStoreResult.NotNewer, Offer(store, tickets[2], NowMs + 2));
        store.Tick(NowMs + DhtStore.WaitMs - 1);
        Assert.Equal(10u, Get(store, NowMs)!.Ticket!.TotalBytes);
        store.Tick(NowMs + DhtStore.WaitMs);
        Assert.Equal(30u, Get(store, NowMs)!.Ticket!.TotalBytes);
        Assert.Equal(DhtStoreResult.NotNewer, Offer(store, tickets[1], NowMs + (3 * DhtStore.WaitMs)));
    }

    [Fact]
    public void Old_objects_are_hidden_then_forgotten()
    {
        var store = new DhtStore(_self.Address);
        DhtObject ticket = PeerWorld.MakeTicket(_device, _relay, 10);
        store.Tick(NowMs);
        _ = Offer(store, ticket, NowMs);
        Assert.NotNull(Get(store, NowMs + (2 * DayMs) - 1));
        Assert.Null(Get(store, NowMs + (2 * DayMs)));
        Assert.Equal(DhtStoreResult.NotNewer, Offer(store, ticket, NowMs + (3 * DayMs)));
        store.Tick(NowMs + (4 * DayMs));
        Assert.Equal(0, store.Count);
        Assert.Equal(DhtStoreResult.Stored, Offer(store, ticket, NowMs + (4 * DayMs)));
        Assert.NotNull(Get(store, NowMs + (4 * DayMs)));
    }

    [Fact]
    public void One_source_cannot_fill_the_table_and_the_own_objects_find_room()
    {
        var store = new DhtStore(_self.Address, capacity: 16);
        Assert.Equal(2, Fill(store, _relay.Address, 5));
        for (int i = 0; i < 10; i++)
        {
            using PrivateKey other = PrivateKey.Generate();
            _ = Fill(store, other.Address, 3);
        }

        Assert.Equal(14, store.Count);
        Assert.Equal(2, Fill(store, _self.Address, 5));
        Assert.Equal(16, store.Count);
        Assert.Equal(16, store.Take(RingRange.Everything, 100, NowMs).Count);
        Assert.Equal(3, store.Take(RingRange.Everything, 3, NowMs).Count);
    }

    [Fact]
    public void A_version_1_ticket_needs_its_block()
    {
        Hash256 block = Hash256.Sha256([1]);
        Ticket old = new TicketV1
        {
            BlockNumber = 9_000_000,
            BlockHash = block,
            Fleet = default,
            Server = _relay.Address,
            TotalConnections = 1,
            TotalBytes = 5,
        };
        Assert.True(DhtObject.TryFromTicket(old.Sign(_device).Countersign(_relay), out DhtObject? v1));
        Assert.Equal(DhtStoreResult.Invalid, Offer(new DhtStore(_self.Address), v1, NowMs));

        var store = new DhtStore(_self.Address, blocks: (ulong number, out Hash256 hash) =>
        {
            hash = block;
            return number == 9_000_000;
        });
        Assert.Equal(DhtStoreResult.Stored, Offer(store, v1, NowMs));
        Assert.Equal(DhtStoreResult.Stored, store.Put(PeerWorld.MakeTicket(_device, _relay, 0, epoch: 1), _relay.Address, NowMs));
        Assert.Equal(DhtStoreResult.NotNewer, store.Put(v1, _relay.Address, NowMs));
        Assert.Equal(DhtObjectKind.TicketV2, Get(store, NowMs)!.Kind);
    }

    [Fact]
    public void A_device_that_went_to_another_relay_is_found_there_though_it_has_moved_less()
    {
        DhtObject much = PeerWorld.MakeTicket(_device, _relay, 1_000_000_000, time: 100);
        DhtObject moved = PeerWorld.MakeTicket(_device, _self, 4_000_000, time: 101);
        Assert.True(moved.IsNewerThan(much));
        Assert.False(much.IsNewerThan(moved));

        // At one relay the bytes decide, whatever the device's clock did meanwhile; so they do without a time.
        DhtObject later = PeerWorld.MakeTicket(_device, _relay, 1_000_000_001, time: 50);
        Assert.True(later.IsNewerThan(much));
        Assert.False(moved.IsNewerThan(PeerWorld.MakeTicket(_device, _relay, 4_000_000)));
        Assert.False(PeerWorld.MakeTicket(_device, _self, 4_000_000).IsNewerThan(much));

        // An epoch stays an epoch.
        Assert.True(PeerWorld.MakeTicket(_device, _self, 0, epoch: 693, time: 1).IsNewerThan(much));
        Assert.False(PeerWorld.MakeTicket(_device, _self, 0, epoch: 691, time: 1000).IsNewerThan(much));
    }

    private static int Fill(DhtStore store, Address source, int count)
    {
        int stored = 0;
        for (int i = 0; i < count; i++)
        {
            using PrivateKey owner = PrivateKey.Generate();
            DhtObject value = DhtObject.FromServer(PeerWorld.MakeServer(owner, 1));
            stored += store.Offer(value.Key, value.Encoded.Span, source, NowMs) == DhtStoreResult.Stored ? 1 : 0;
        }

        return stored;
    }

    private DhtObject? Get(DhtStore store, long nowMs)
    {
        return store.TryGet(ObjectKeys.ToDhtKey(_device.Address), nowMs, out DhtObject? value) ? value : null;
    }

    private DhtStoreResult Offer(DhtStore store, DhtObject value, long nowMs)
    {
        return Offer(store, value.Key, value.Encoded.ToArray(), nowMs);
    }

    private DhtStoreResult Offer(DhtStore store, Hash256 key, byte[] encoded, long nowMs)
    {
        return store.Offer(key, encoded, _relay.Address, nowMs);
    }
}
