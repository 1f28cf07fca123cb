using Diode.Tunnel.Edge.Bert;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Relay.Kademlia;
using Diode.Tunnel.Relay.RelayPeers;
using Xunit;

namespace Diode.Tunnel.Tests.Relay.RelayPeers;

/// <summary>Members of the ring that answer wrongly, late, not at all, or more than they were asked.</summary>
public sealed class LyingPeerTests : IPeerDialer, IDisposable
{
    private readonly PrivateKey _honestKey = FederationWorld.MakeKey(1);
    private readonly PrivateKey _liarKey = FederationWorld.MakeKey(2);
    private readonly PrivateKey _device = FederationWorld.MakeKey(3);
    private readonly PrivateKey _other = FederationWorld.MakeKey(4);
    private readonly PeerWorld _world;
    private readonly PeerNetwork _network;
    private readonly PeerSession _honest;
    private readonly PeerSession _liar;
    private readonly DhtObject _ticket;
    private readonly List<PeerTarget> _dialled = [];

    public LyingPeerTests()
    {
        _world = new PeerWorld(FederationWorld.MakeKey(0), [_honestKey.Address, _liarKey.Address]);
        _network = new PeerNetwork(_world.Core, this, () => _world.NowMs, []);
        _honest = _world.OpenReady(_honestKey);
        _liar = _world.OpenReady(_liarKey);
        _ticket = PeerWorld.MakeTicket(_device, _honestKey, 50);
    }

    void IPeerDialer.Dial(PeerTarget target)
    {
        _dialled.Add(target);
    }

    public void Dispose()
    {
        _honest.Dispose();
        _liar.Dispose();
        _world.Dispose();
        _honestKey.Dispose();
        _liarKey.Dispose();
        _device.Dispose();
        _other.Dispose();
    }

    public static TheoryData<int> Lies => [.. Enumerable.Range(0, 5)];

    [Theory]
    [MemberData(nameof(Lies))]
    public void A_lie_is_counted_and_the_honest_answer_wins(int kind)
    {
        BertTerm lie = kind switch
        {
            0 => Value(PeerWorld.MakeTicket(_other, _liarKey, 1_000_000).Encoded.Span),
            1 => Value([0x83, 0x6a]),
            2 => Value(new byte[DhtObject.MaxLength + 1]),
            3 => Value(DhtObject.FromServer(PeerWorld.MakeServer(_liarKey, 9)).Encoded.Span),
            _ => Value([]),
        };
        DhtObject? found = null;
        _network.Find(_ticket.Key, _world.NowMs, value => found = value);
        Assert.True(_world.Send(_liar, lie));
        Assert.Null(found);
        Assert.True(_world.Send(_honest, Value(_ticket.Encoded.Span)));
        Assert.NotNull(found);
        Assert.Equal(_device.Address, found.Owner);
        Assert.Equal(1, Counter("peer_lies"));
        Assert.Single(PeerWorld.Read(_liar), term => IsTag(term, "store"));
        Assert.DoesNotContain(PeerWorld.Read(_honest), term => IsTag(term, "store"));
        Assert.True(_world.Store.TryGet(_ticket.Key, _world.NowMs, out _));
        Assert.False(_world.Store.TryGet(PeerWorld.MakeTicket(_other, _liarKey, 1).Key, _world.NowMs, out _));
    }

    [Fact]
    public void Who_is_late_or_silent_holds_nobody_up()
    {
        DhtObject? found = null;
        int ended = 0;
        _network.Find(_ticket.Key, _world.NowMs, value => (found, ended) = (value, ended + 1));
        Assert.True(_world.Send(_honest, Value(_ticket.Encoded.Span)));
        _world.NowMs += PeerLimits.ReadTimeoutMs;
        Assert.True(_liar.Tick(_world.NowMs));
        Assert.Equal(_device.Address, found!.Owner);

        // The late answer finds nobody, and does not count for the next question.
        DhtObject newer = PeerWorld.MakeTicket(_device, _honestKey, 60);
        Assert.True(_world.Send(_liar, Value(newer.Encoded.Span)));
        Assert.Equal(1, ended);
        DhtObject? other = null;
        _network.Find(Hash256.Sha256("x"u8), _world.NowMs, value => other = value);
        Assert.Null(other);
        Assert.Equal(PeerCloseReason.None, _liar.Failure);
    }

    [Fact]
    public void A_flood_of_lookups_for_one_key_asks_once()
    {
        int answered = 0;
        for (int i = 0; i < 500; i++)
        {
            _network.Find(_ticket.Key, _world.NowMs, _ => answered++);
        }

        Assert.Single(PeerWorld.Read(_honest));
        Assert.True(_world.Send(_honest, Value(_ticket.Encoded.Span)));
        Assert.True(_world.Send(_liar, PeerWorld.Message("response", BertTerm.FromAtom("find_node"))));
        Assert.Equal(500, answered);

        // And then the answer is remembered for a while.
        _network.Find(_ticket.Key, _world.NowMs, _ => answered++);
        Assert.Equal(501, answered);
        Assert.Empty(PeerWorld.Read(_honest));
    }

    [Fact]
    public void A_flood_of_lookups_for_many_keys_stays_bounded()
    {
        int answered = 0;
        for (int i = 0; i < 3000; i++)
        {
            _network.Find(Hash256.Sha256(BitConverter.GetBytes(i)), _world.NowMs, _ => answered++);
        }

        Assert.Equal(PeerLimits.MaxRequests, _honest.PendingRequests);
        Assert.Equal(3000 - PeerLimits.MaxRequests, answered);
        _world.NowMs += PeerLimits.ReadTimeoutMs;
        _ = _honest.Tick(_world.NowMs);
        _ = _liar.Tick(_world.NowMs);
        Assert.Equal(3000, answered);
    }

    [Fact]
    public void Strangers_in_hints_become_neither_replicas_nor_targets()
    {
        BertTerm hint = PeerTerms.OfNode(PeerWorld.MakeServer(_other, 7), 1, 0);
        _network.Find(_ticket.Key, _world.NowMs, _ => { });
        Assert.True(_world.Send(_liar, PeerWorld.Message("response", BertTerm.FromAtom("find_node"), hint, hint, hint, hint)));
        Assert.NotNull(_world.Core.FindServer(_other.Address, _world.NowMs));
        _network.Tick(_world.NowMs + 60_000);
        Assert.Empty(_dialled);
        Assert.DoesNotContain(_other.Address, _world.Core.Ring.NearestOnline(new RingKey(_ticket.Key)));
    }

    [Fact]
    public void A_write_goes_on_to_others_until_a_quorum_has_it()
    {
        _network.Publish(_ticket, _world.NowMs);
        Assert.Contains(PeerWorld.Read(_honest), term => IsTag(term, "store"));
        Assert.Contains(PeerWorld.Read(_liar), term => IsTag(term, "store"));
        _liar.Close(PeerCloseReason.PeerLeft);
        _honest.Close(PeerCloseReason.PeerLeft);

        // Nobody acknowledged: it is tried again when somebody is there.
        Assert.Equal(2, _network.UnreplicatedCount);
        PeerSession again = _world.OpenReady(_honestKey);
        _world.NowMs += 2000;
        _network.Tick(_world.NowMs);
        Assert.Contains(PeerWorld.Read(again), term => IsTag(term, "store"));
    }

    [Fact]
    public void The_registry_is_read_strictly()
    {
        byte[] word = new byte[32];
        byte[] offset = [.. word[..31], 32];
        byte[] one = [.. word[..31], 1];
        byte[] member = [.. word[..12], .. _other.Address.ToArray()];
        Assert.True(RingRegistry.TryDecode([.. offset, .. one, .. member], out IReadOnlyList<Address> members));
        Assert.Equal([_other.Address], members);
        Assert.True(RingRegistry.TryDecode([.. offset, .. word], out members));
        Assert.Empty(members);
        Assert.False(RingRegistry.TryDecode([], out _));
        Assert.False(RingRegistry.TryDecode([.. offset, .. one], out _));
        Assert.False(RingRegistry.TryDecode([.. offset, .. Enumerable.Repeat((byte)255, 32)], out _));
        Assert.False(RingRegistry.TryDecode([.. Enumerable.Repeat((byte)255, 64)], out _));
        Assert.False(RingRegistry.TryDecode([.. offset, .. one, 1, .. member[1..]], out _));
    }

    private static BertTerm Value(ReadOnlySpan<byte> value)
    {
        return PeerWorld.Message("response", BertTerm.FromAtom("find_value"), PeerWorld.Bin(value));
    }

    private static bool IsTag(BertTerm term, string tag)
    {
        return PeerTerms.TryGetTag(term, out string actual) && actual == tag;
    }

    private long Counter(string name)
    {
        return _world.Core.Counters.Read().Single(pair => pair.Key == name).Value;
    }
}
