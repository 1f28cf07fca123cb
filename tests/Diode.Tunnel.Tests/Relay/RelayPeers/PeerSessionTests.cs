using Diode.Tunnel.Edge.Bert;
using Diode.Tunnel.Edge.Objects;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Relay.Kademlia;
using Diode.Tunnel.Relay.RelayPeers;
using Xunit;

namespace Diode.Tunnel.Tests.Relay.RelayPeers;

public sealed class PeerSessionTests : IDisposable
{
    private static readonly BertTerm Ping = PeerWorld.Message("ping");
    private static readonly BertTerm Acknowledgement = PeerWorld.Message("response", BertTerm.FromAtom("store"), PeerWorld.Bin("ok"u8));

    private readonly PeerWorld _world = new();
    private readonly PrivateKey _peer = PrivateKey.Generate();

    public void Dispose()
    {
        _world.Dispose();
        _peer.Dispose();
    }

    [Fact]
    public void Two_sessions_understand_each_other_however_the_bytes_are_cut()
    {
        using var other = new PeerWorld(_peer);
        PeerSession left = _world.Open(other.Key.Address);
        PeerSession right = other.Open(_world.Key.Address);
        Pump(left, right, 1);
        Assert.True(left.IsReady && right.IsReady);
        Assert.NotNull(_world.Core.FindServer(_peer.Address, _world.NowMs));

        using PrivateKey device = PrivateKey.Generate();
        DhtObject ticket = PeerWorld.MakeTicket(device, _peer, 77);
        List<string> seen = [];
        Assert.True(left.TryStore(ticket.Key, ticket.Encoded.Span, _world.NowMs, reply => seen.Add($"stored {reply!.Value.IsAcknowledgement}")));
        Assert.True(left.TryFindValue(ticket.Key, _world.NowMs, reply =>
        {
            Assert.True(reply!.Value.TryGetValue(out ReadOnlyMemory<byte> value));
            seen.Add(value.Span.SequenceEqual(ticket.Encoded.Span) ? "found" : "something else");
        }));
        Assert.True(left.TryPing(_world.NowMs, reply => seen.Add(reply is null ? "no pong" : "pong")));
        Assert.True(left.TryFindNode([1], _world.NowMs, reply => seen.Add($"{reply!.Value.Nodes.Count()} nodes")));
        Pump(left, right, 7);
        Assert.Equal(["stored True", "found", "pong", "0 nodes"], seen);
        Assert.Equal(0, left.PendingRequests);
    }

    [Fact]
    public void A_late_answer_is_not_taken_for_the_next_one()
    {
        PeerSession session = _world.OpenReady(_peer);
        List<string> seen = [];
        Assert.True(session.TryFindValue(default, _world.NowMs, reply => seen.Add(reply is null ? "first lost" : "first")));
        Assert.True(session.Tick(_world.NowMs + PeerLimits.ReadTimeoutMs));
        Assert.True(session.TryStore(default, [], _world.NowMs, reply => seen.Add(reply!.Value.IsAcknowledgement ? "ok" : "mixed up")));
        Assert.True(_world.Send(session, PeerWorld.Message("response", BertTerm.FromAtom("find_node"))));
        Assert.True(_world.Send(session, Acknowledgement));
        Assert.Equal(["first lost", "ok"], seen);
        Assert.False(_world.Send(session, Acknowledgement));
        Assert.Equal(PeerCloseReason.UnsolicitedResponse, session.Failure);
    }

    [Fact]
    public void A_silent_peer_is_given_up()
    {
        PeerSession session = _world.OpenReady(_peer);
        int lost = 0;
        int asked = 0;
        while (session.TryPing(_world.NowMs, reply => lost += reply is null ? 1 : 0))
        {
            asked++;
        }

        Assert.Equal(PeerLimits.MaxRequests, asked);
        Assert.True(session.Tick(_world.NowMs + PeerLimits.AnswerLimitMs - 1));
        Assert.False(session.Tick(_world.NowMs + PeerLimits.AnswerLimitMs));
        Assert.Equal(asked, lost);
        Assert.Equal(PeerCloseReason.NoAnswer, session.Failure);
        Assert.False(session.TryPing(_world.NowMs, _ => { }));
    }

    [Fact]
    public void Who_does_not_read_is_not_answered_without_bound()
    {
        using PrivateKey device = PrivateKey.Generate();
        DhtObject ticket = PeerWorld.MakeTicket(device, _peer, 77);
        _ = _world.Store.Put(ticket, _world.Key.Address, _world.NowMs);
        PeerSession session = _world.OpenReady(_peer);
        byte[] question = PeerWorld.Frame(PeerWorld.Message("find_value", PeerWorld.Bin(ticket.Key.ToArray())));
        int fed = 0;
        while (session.WantsInput)
        {
            Assert.True(session.Receive(question, _world.NowMs));
            fed++;
        }

        Assert.InRange(session.Output.Length, PeerLimits.OutputLimit, PeerLimits.OutputLimit + 1000);
        Assert.True(session.Receive(question, _world.NowMs));
        Assert.Equal(fed, PeerWorld.Read(session).Count);
        Assert.True(session.Process(_world.NowMs));
        Assert.Single(PeerWorld.Read(session));
    }

    [Fact]
    public void An_old_relay_with_the_same_key_is_replaced()
    {
        PeerSession first = _world.OpenReady(_peer);
        PeerSession second = _world.OpenReady(_peer);
        Assert.Equal(PeerCloseReason.Replaced, first.Failure);
        _world.Core.Remove(first, _world.NowMs);
        Assert.Same(second, _world.Core.FindLink(_peer.Address));
        _world.Core.Remove(second, _world.NowMs);
        Assert.Null(_world.Core.FindLink(_peer.Address));
        Assert.Empty(_world.Core.GetLinks());
    }

    [Fact]
    public void Only_members_become_replicas_and_hints()
    {
        using var world = new PeerWorld(members: [_peer.Address]);
        using PrivateKey stranger = PrivateKey.Generate();
        _ = world.OpenReady(stranger);
        Assert.Empty(world.Core.Ring.SelectReplicas(default));
        PeerSession member = world.OpenReady(_peer);
        Assert.Equal([_peer.Address], world.Core.Ring.SelectReplicas(default));
        BertTerm answer = Assert.Single(world.Ask(member, PeerWorld.Message("find_node", PeerWorld.Bin([]))));
        Assert.Equal(3, answer.Items.Count);
        Assert.True(PeerTerms.TryReadNode(answer.Items[2], out ServerObject? server));
        Assert.Equal(_peer.Address, server.Address);
    }

    [Fact]
    public void Failures_grow_the_delay_until_a_link_is_up()
    {
        long now = _world.NowMs;
        for (int i = 0; i < 5; i++)
        {
            _world.Core.MarkFailed(_peer.Address, now);
        }

        Assert.Equal(new PeerContact(null, 5, now + 8000, now), _world.Core.GetContact(_peer.Address));
        _ = _world.OpenReady(_peer);
        Assert.Equal(new PeerContact(now, 0, 0, now), _world.Core.GetContact(_peer.Address));
    }

    [Fact]
    public void Bombs_and_giants_close_the_link()
    {
        // A megabyte of zeros deflates to ten kilobytes.
        byte[] bomb = PeerWorld.Frame(BertTerm.FromBinary(new byte[1 << 20]));
        Assert.InRange(bomb.Length, 1, PeerLimits.MaxPayload / 10);
        foreach (byte[] frame in new[] { bomb, [0xff, 0xff, 0xff, 0xff, 1], [0, 2, 0, 1, 0], [0, 0, 0, 0] })
        {
            PeerSession session = _world.OpenReady(_peer);
            Assert.False(session.Receive(frame, _world.NowMs));
            Assert.Equal(PeerCloseReason.BadFrame, session.Failure);
            Assert.False(session.Receive(PeerWorld.Frame(Ping), _world.NowMs));
            Assert.Empty(PeerWorld.Read(session));
        }
    }

    [Fact]
    public void A_flood_of_objects_is_acknowledged_but_not_checked()
    {
        PeerSession session = _world.OpenReady(_peer);
        BertTerm store = PeerWorld.Message("store", PeerWorld.Bin(new byte[32]), PeerWorld.Bin([131, 106]));
        for (int i = 0; i < PeerLimits.CheckBurst; i++)
        {
            Assert.Single(_world.Ask(session, store));
        }

        using PrivateKey device = PrivateKey.Generate();
        DhtObject ticket = PeerWorld.MakeTicket(device, _peer, 1);
        BertTerm good = PeerWorld.Message("store", PeerWorld.Bin(ticket.Key.ToArray()), PeerWorld.Bin(ticket.Encoded.Span));
        Assert.Single(_world.Ask(session, good));
        Assert.False(_world.Store.TryGet(ticket.Key, _world.NowMs, out _));
        _world.NowMs += 1000;
        Assert.Single(_world.Ask(session, good));
        Assert.True(_world.Store.TryGet(ticket.Key, _world.NowMs, out _));
    }

    private void Pump(PeerSession left, PeerSession right, int piece)
    {
        while (left.Output.Length + right.Output.Length > 0)
        {
            Move(left, right, piece);
            Move(right, left, piece);
        }
    }

    private void Move(PeerSession from, PeerSession to, int piece)
    {
        Assert.True(to.Receive(PeerWorld.Drain(from, piece), _world.NowMs), to.Failure.ToString());
    }
}
