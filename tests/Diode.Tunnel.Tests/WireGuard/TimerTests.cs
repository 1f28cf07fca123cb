using Diode.Tunnel.WireGuard;
using Xunit;

namespace Diode.Tunnel.Tests.WireGuard;

public class TimerTests : TwoEndedTests
{
    [Fact]
    public void Traffic_is_rekeyed_every_120_seconds_without_loss()
    {
        Establish();
        for (int i = 0; i < 6000; i++)
        {
            Assert.Equal(SealStatus.Sealed, A.SendPacket(ToB, B, i));
            Assert.Equal(SealStatus.Sealed, B.SendPacket(ToA, A, i));
            Wire.RunSeconds(0.1);
        }

        Assert.Equal(Enumerable.Range(0, 6000), B.DeliveredPayloads());
        Assert.Equal(Enumerable.Range(0, 6000), A.DeliveredPayloads());
        long[] rekeys = [.. Wire.Log.Where(flight => flight.Type == 1).Select(flight => flight.SentAt)];
        Assert.InRange(rekeys.Length, 4, 5);
        Assert.All(rekeys.Zip(rekeys.Skip(1)), pair => Assert.InRange(
            pair.Second - pair.First, WireGuardConstants.RekeyAfterTime, 121 * TimeSpan.TicksPerSecond));
        Assert.Equal(0, Sent(B, 1));
    }

    [Fact]
    public void Only_the_initiator_renews_by_age()
    {
        Establish();
        Wire.RunSeconds(130);
        Wire.Log.Clear();
        Assert.Equal(SealStatus.Sealed, B.SendPacket(ToA, A));
        Assert.Equal(0, Sent(B, 1));
        Assert.Equal(SealStatus.Sealed, A.SendPacket(ToB, B));
        Assert.Equal(1, Sent(A, 1));
    }

    [Fact]
    public void An_initiator_that_only_receives_renews_after_165_seconds()
    {
        Establish();
        long created = ToB.Session.Keypairs.Current!.CreatedAt;
        Wire.RunSeconds(163);
        B.SendPacket(ToA, A);
        Wire.RunSeconds(0.1);
        Assert.Equal(0, Sent(A, 1));

        Wire.Run(TimeSpan.FromTicks(created + (165 * TimeSpan.TicksPerSecond) - Wire.Now));
        B.SendPacket(ToA, A);
        Wire.RunSeconds(0.1);
        Assert.Equal(1, Sent(A, 1));
    }

    [Fact]
    public void A_keypair_carries_nothing_after_180_seconds()
    {
        Establish();
        A.SendPacket(ToB, B);
        byte[] late = Wire.Log[^1].Datagram;
        Wire.RunSeconds(179 - 1.5);
        Assert.True(ToB.HasSession(Wire.Now));
        Wire.Filter = _ => false;
        Wire.RunSeconds(2.5);
        Assert.False(ToB.HasSession(Wire.Now));
        Assert.Equal(SealStatus.Staged, A.SendPacket(ToB, B));
        Assert.Equal(SealStatus.Staged, B.SendPacket(ToA, A));
        Assert.Equal(DropReason.ExpiredKeypair, B.Receive([.. late], A).Reason);
    }

    [Fact]
    public void Keys_are_erased_after_540_seconds()
    {
        Establish();
        Wire.Filter = _ => false;
        Wire.RunSeconds(500);
        Assert.NotNull(ToB.Session.Keypairs.Current);
        Wire.RunSeconds(60);
        Assert.Null(ToB.Session.Keypairs.Current);
        Assert.Null(ToA.Session.Keypairs.Current);
        Assert.Equal(0, A.Interface.ReceiverIndexCount);
        Assert.Equal(long.MaxValue, A.Interface.NextTimeout);
    }

    [Fact]
    public void Received_data_is_answered_by_a_keepalive_after_10_seconds()
    {
        Establish();
        Wire.RunSeconds(30);
        Wire.Log.Clear();
        long start = Wire.Now;
        A.SendPacket(ToB, B);
        Wire.RunSeconds(30);
        VirtualWire.Flight[] answers = [.. Wire.Log.Where(flight => flight.From == B)];
        Assert.Single(answers);
        Assert.Equal(32, answers[0].Datagram.Length);
        Assert.Equal(start + Wire.Delay.Ticks + WireGuardConstants.KeepaliveTimeout, answers[0].SentAt);
        Assert.Equal(1, Sent(A, 4));
        Assert.Equal(0, Sent(A, 1));
    }

    [Fact]
    public void Sending_something_makes_the_keepalive_unnecessary()
    {
        Establish();
        Wire.RunSeconds(30);
        Wire.Log.Clear();
        A.SendPacket(ToB, B);
        Wire.RunSeconds(5);
        B.SendPacket(ToA, A);
        Wire.RunSeconds(9);
        Assert.Equal(1, Sent(B, 4));
    }

    [Fact]
    public void Silence_for_15_seconds_after_sending_begins_a_new_handshake()
    {
        Establish();
        Wire.RunSeconds(30);
        Wire.Log.Clear();
        Wire.Filter = flight => flight.From == A;
        long start = Wire.Now;
        A.SendPacket(ToB, B);
        Wire.RunSeconds(16);
        VirtualWire.Flight initiation = Wire.Log.First(flight => flight.From == A && flight.Type == 1);
        long delay = 15 * TimeSpan.TicksPerSecond;
        Assert.InRange(initiation.SentAt - start, delay, delay + WireGuardConstants.MaxTimerJitter);
    }

    [Fact]
    public void Persistent_keepalives_begin_at_once_and_hold_the_session()
    {
        VirtualNode c = Wire.AddNode("c");
        Peer toB = c.Connect(B, options => options with { PersistentKeepalive = TimeSpan.FromSeconds(25) });
        Peer toC = B.Connect(c);
        Wire.RunSeconds(1);
        Assert.True(toB.HasSession(Wire.Now));
        Assert.True(toC.HasSession(Wire.Now));
        for (int i = 0; i < 60; i++)
        {
            Wire.RunSeconds(30);
            Assert.True(toC.HasSession(Wire.Now));
        }

        Assert.InRange(Sent(c, 4), 60, 90);
        toB.SetPersistentKeepalive(TimeSpan.Zero);
        Wire.RunSeconds(20);
        Wire.Log.Clear();
        Wire.RunSeconds(300);
        Assert.Empty(Wire.Log);
    }

    [Fact]
    public void Persistent_keepalives_bring_the_session_back_after_a_long_outage()
    {
        VirtualNode c = Wire.AddNode("c");
        Peer toB = c.Connect(B, options => options with { PersistentKeepalive = TimeSpan.FromSeconds(25) });
        B.Connect(c);
        Wire.RunSeconds(10);
        Wire.Filter = _ => false;
        Wire.RunSeconds(3600);
        Assert.False(toB.HasSession(Wire.Now));
        Wire.Filter = null;
        Wire.RunSeconds(60);
        Assert.True(toB.HasSession(Wire.Now));
    }

    [Fact]
    public void A_keypair_that_sent_2_to_the_60_messages_is_renewed()
    {
        Establish();
        Wire.RunSeconds(10);
        ToA.Session.Keypairs.Current!.NextCounter = WireGuardConstants.RekeyAfterMessages;
        Assert.Equal(SealStatus.Sealed, B.SendPacket(ToA, A, 7));
        Wire.RunSeconds(1);
        Assert.Equal(1, Sent(B, 1));
        Assert.Equal([7], A.DeliveredPayloads());
        Assert.True(ToA.Session.Keypairs.Current!.NextCounter < 10);
    }

    [Fact]
    public void A_keypair_out_of_counters_stages_until_it_is_renewed()
    {
        Establish();
        Wire.RunSeconds(10);
        ToB.Session.Keypairs.Current!.NextCounter = WireGuardConstants.RejectAfterMessages - 1;
        Assert.Equal(SealStatus.Sealed, A.SendPacket(ToB, B, 1));
        Assert.Equal(SealStatus.Staged, A.SendPacket(ToB, B, 2));
        Wire.RunSeconds(1);
        Assert.Equal([1, 2], B.DeliveredPayloads());
        Assert.Equal(SealStatus.Sealed, A.SendPacket(ToB, B, 3));
    }

    [Fact]
    public void Ten_thousand_idle_peers_cost_Tick_nothing()
    {
        VirtualNode hub = Wire.AddNode("hub");
        byte[] key = new byte[32];
        for (int i = 0; i < 200; i++)
        {
            Wire.Random.NextBytes(key);
            hub.Interface.AddPeer(key, new PeerOptions());
        }

        Assert.Equal(long.MaxValue, hub.Interface.NextTimeout);
        TimerQueue queue = new();
        PeerTimers[] timers = [.. Enumerable.Range(0, 10_000).Select(_ => new PeerTimers(null!, queue, _ => { }))];
        foreach (PeerTimers idle in timers)
        {
            idle.Start(PeerTimer.ZeroKeys, WireGuardConstants.ZeroKeysAfterTime);
        }

        // A packet on a running timer leaves the queue alone.
        timers[5].DataSent(0);
        int index = timers[5].HeapIndex;
        long scheduled = timers[5].ScheduledAt;
        timers[5].AuthenticatedReceived(1);
        timers[5].DataSent(2);
        Assert.Equal((index, scheduled), (timers[5].HeapIndex, timers[5].ScheduledAt));
        Assert.Null(queue.TakeDue(scheduled - 1));
        Assert.Equal(timers[5], queue.TakeDue(scheduled));
    }
}
