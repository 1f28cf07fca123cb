using System.Security.Cryptography;
using Diode.Tunnel.WireGuard;
using Xunit;

namespace Diode.Tunnel.Tests.WireGuard;

public class HandshakeTests : TwoEndedTests
{
    [Fact]
    public void Staged_packets_arrive_in_order_after_the_handshake()
    {
        for (int i = 0; i < 5; i++)
        {
            Assert.Equal(SealStatus.Staged, A.SendPacket(ToB, B, i));
        }

        Wire.RunSeconds(1);
        Assert.Equal([0, 1, 2, 3, 4], B.DeliveredPayloads());
        Assert.Equal((1, 1), (A.Sessions, B.Sessions));
        Assert.Equal(SealStatus.Sealed, A.SendPacket(ToB, B, 5));
        Assert.Equal(SealStatus.Sealed, B.SendPacket(ToA, A, 6));
        Wire.RunSeconds(1);
        Assert.Equal(5, B.DeliveredPayloads()[^1]);
        Assert.Equal([6], A.DeliveredPayloads());
        Assert.NotNull(ToB.LastHandshake);
        Assert.Equal(ToB.TxBytes, ToA.RxBytes);
        Assert.Equal(ToA.TxBytes, ToB.RxBytes);
    }

    [Fact]
    public void The_staging_queue_keeps_the_newest_128()
    {
        for (int i = 0; i < 200; i++)
        {
            A.SendPacket(ToB, B, i);
        }

        Wire.RunSeconds(1);
        Assert.Equal(Enumerable.Range(72, 128), B.DeliveredPayloads());
        Assert.Equal(72, A.Interface.Drops[DropReason.StagedOverflow]);
    }

    [Fact]
    public void The_responder_sends_nothing_before_the_initiator_used_the_keys()
    {
        Wire.Filter = flight => flight.Type != 4;
        A.SendPacket(ToB, B, 1);
        Wire.RunSeconds(1);
        Assert.True(ToB.HasSession(Wire.Now));
        Assert.False(ToA.HasSession(Wire.Now));
        Assert.Equal(SealStatus.Staged, B.SendPacket(ToA, A, 2));

        Wire.Filter = null;
        A.SendPacket(ToB, B, 3);
        Wire.RunSeconds(1);
        Assert.Equal([3], B.DeliveredPayloads());
        Assert.Equal([2], A.DeliveredPayloads());
    }

    [Fact]
    public void A_completed_handshake_is_confirmed_by_a_keepalive_when_nothing_waits()
    {
        ToB.InitiateHandshake(Wire.Now);
        Wire.RunSeconds(1);
        Assert.Equal([1, 2, 4], Wire.Log.Select(flight => flight.Type));
        Assert.Equal(32, Wire.Log[2].Datagram.Length);
        Assert.True(ToA.HasSession(Wire.Now));
    }

    [Fact]
    public void Of_a_restarted_peer_only_the_keys_of_its_former_run_are_forgotten()
    {
        Establish();
        Wire.RunSeconds(6);
        long restarted = Wire.Now;
        ToB.EndSession(restarted);
        Assert.Equal(SealStatus.Staged, A.SendPacket(ToB, B, 1));
        Wire.RunSeconds(1);
        Assert.Equal([1], B.DeliveredPayloads());

        ToB.EndSession(restarted);
        Assert.Equal(SealStatus.Sealed, A.SendPacket(ToB, B, 2));
        Wire.RunSeconds(1);
        Assert.Equal([1, 2], B.DeliveredPayloads());
    }

    [Fact]
    public void Keys_that_a_restarted_peer_has_not_used_yet_are_kept_too()
    {
        Establish();
        Wire.RunSeconds(6);
        long restarted = Wire.Now;
        Wire.Filter = flight => flight.From != B || flight.Type == 1;
        ToA.InitiateHandshake(Wire.Now);
        Wire.RunSeconds(0.1);
        ToB.EndSession(restarted);
        Assert.Equal(SealStatus.Staged, A.SendPacket(ToB, B, 1));
        Assert.Equal(1, Sent(A, 2));
        Wire.Filter = null;
        Wire.RunSeconds(8);
        Assert.Equal([1], B.DeliveredPayloads());
    }

    [Fact]
    public void Both_ends_may_begin_at_the_same_moment()
    {
        A.SendPacket(ToB, B, 1);
        B.SendPacket(ToA, A, 2);
        Wire.RunSeconds(1);
        Assert.Equal([1], B.DeliveredPayloads());
        Assert.Equal([2], A.DeliveredPayloads());
        for (int i = 0; i < 100; i++)
        {
            Assert.Equal(SealStatus.Sealed, A.SendPacket(ToB, B, 10 + i));
            Assert.Equal(SealStatus.Sealed, B.SendPacket(ToA, A, 10 + i));
            Wire.RunSeconds(2.5);
        }

        Assert.Equal(101, A.Delivered.Count);
        Assert.Equal(101, B.Delivered.Count);
    }

    [Fact]
    public void An_unanswered_initiation_is_retried_every_5_seconds_for_90()
    {
        Wire.Filter = _ => false;
        A.SendPacket(ToB, B, 1);
        Wire.RunSeconds(89);
        Assert.InRange(Sent(A, 1), 17, 18);
        long[] gaps = [.. Wire.Log.Zip(Wire.Log.Skip(1), (x, y) => y.SentAt - x.SentAt)];
        Assert.All(gaps, gap => Assert.InRange(
            gap, WireGuardConstants.RekeyTimeout, WireGuardConstants.RekeyTimeout + WireGuardConstants.MaxTimerJitter));
        Assert.True(gaps.Distinct().Count() > 5);

        Wire.RunSeconds(60);
        Assert.InRange(Sent(A, 1), 17, 19);
        Assert.Equal(1, A.Failures);
        Assert.Equal(1, A.Interface.Drops[DropReason.HandshakeTimedOut]);

        Wire.Filter = null;
        A.SendPacket(ToB, B, 2);
        Wire.RunSeconds(1);
        Assert.Equal([2], B.DeliveredPayloads());
    }

    [Fact]
    public void A_lost_response_costs_one_retry()
    {
        int responses = 0;
        Wire.Filter = flight => flight.Type != 2 || ++responses > 1;
        A.SendPacket(ToB, B, 1);
        Wire.RunSeconds(6);
        Assert.Equal([1], B.DeliveredPayloads());
        Assert.Equal(2, Sent(A, 1));
    }

    [Fact]
    public void A_replayed_initiation_is_dropped()
    {
        Establish();
        Wire.RunSeconds(10);
        ToB.InitiateHandshake(Wire.Now);
        Wire.RunSeconds(1);
        byte[] initiation = Wire.Log.First(flight => flight.Type == 1).Datagram;
        for (int i = 0; i < 3; i++)
        {
            Wire.RunSeconds(1);
            Assert.Equal(DropReason.ReplayedInitiation, B.Receive([.. initiation], A).Reason);
        }

        Assert.Equal(SealStatus.Sealed, B.SendPacket(ToA, A));
    }

    [Fact]
    public void A_replayed_response_is_dropped()
    {
        A.SendPacket(ToB, B);
        Wire.RunSeconds(1);
        byte[] response = Wire.Log.First(flight => flight.Type == 2).Datagram;
        Assert.Equal(DropReason.HandshakeFailed, A.Receive([.. response], B).Reason);
        ToB.InitiateHandshake(Wire.Now + WireGuardConstants.RekeyTimeout);
        Assert.Equal(ReceiveStatus.Dropped, A.Receive([.. response], B).Status);
    }

    [Fact]
    public void Initiations_of_one_peer_closer_than_20_ms_are_dropped()
    {
        List<byte[]> initiations = [];
        Wire.Filter = flight =>
        {
            initiations.Add(flight.Datagram);
            return false;
        };
        for (int i = 0; i < 3; i++)
        {
            ToB.InitiateHandshake(Wire.Now);
            Wire.RunSeconds(4.9);
            A.Interface.Tick(Wire.Now);
            Wire.RunSeconds(0.5);
        }

        Assert.Equal(ReceiveStatus.Handled, B.Receive(initiations[0], A).Status);
        Assert.Equal(DropReason.InitiationFlood, B.Receive([.. initiations[1]], A).Reason);
        Wire.RunSeconds(0.02);
        Assert.Equal(ReceiveStatus.Handled, B.Receive([.. initiations[1]], A).Status);
    }

    [Fact]
    public void Timestamps_increase_even_if_the_clock_is_set_back()
    {
        DateTimeOffset clock = Wire.UtcNow;
        VirtualNode c = Wire.AddNode("c", options => options with { UtcNow = () => clock });
        Peer toB = c.Connect(B);
        B.Connect(c);
        c.SendPacket(toB, B, 1);
        Wire.RunSeconds(1);
        clock -= TimeSpan.FromDays(1);
        Wire.RunSeconds(200);
        c.SendPacket(toB, B, 2);
        Wire.RunSeconds(1);
        Assert.Equal([1, 2], B.DeliveredPayloads());
    }

    [Fact]
    public void A_wrong_preshared_key_gives_no_session()
    {
        VirtualNode c = Wire.AddNode("c");
        Peer toB = c.Connect(B, options => options with { PresharedKey = new byte[32] });
        Peer toC = B.Connect(c, options => options with { PresharedKey = RandomNumberGenerator.GetBytes(32) });
        c.SendPacket(toB, B);
        Wire.RunSeconds(20);
        Assert.False(toB.HasSession(Wire.Now));
        Assert.False(toC.HasSession(Wire.Now));
        Assert.True(c.Interface.Drops[DropReason.HandshakeFailed] > 0);
        Assert.Empty(B.Delivered);
    }

    [Fact]
    public void The_same_preshared_key_gives_a_session()
    {
        VirtualNode c = Wire.AddNode("c");
        byte[] key = RandomNumberGenerator.GetBytes(32);
        Peer toB = c.Connect(B, options => options with { PresharedKey = key });
        B.Connect(c, options => options with { PresharedKey = key });
        c.SendPacket(toB, B, 4);
        Wire.RunSeconds(1);
        Assert.Equal([4], B.DeliveredPayloads());
    }

    [Fact]
    public void A_stranger_is_refused()
    {
        VirtualNode stranger = Wire.AddNode("stranger");
        Peer toB = stranger.Connect(B);
        stranger.SendPacket(toB, B);
        Wire.RunSeconds(1);
        Assert.Equal(1, B.Interface.Drops[DropReason.HandshakeFailed]);
        Assert.Equal(0, Sent(B, 2));
    }

    [Fact]
    public void Unusable_peer_keys_are_refused()
    {
        byte[] lowOrder = new byte[32];
        lowOrder[0] = 1;
        Assert.False(A.Interface.TryAddPeer(lowOrder, new PeerOptions(), out _));
        Assert.False(A.Interface.TryAddPeer(A.Interface.PublicKey.ToArray(), new PeerOptions(), out _));
        Assert.False(A.Interface.TryAddPeer(ToB.PublicKey.ToArray(), new PeerOptions(), out _));
        Assert.Throws<ArgumentException>(() => A.Interface.AddPeer(lowOrder, new PeerOptions()));
    }

    [Fact]
    public void An_initiation_with_an_ephemeral_of_low_order_is_dropped()
    {
        A.SendPacket(ToB, B);
        byte[] initiation = [.. Wire.Log[0].Datagram];
        initiation.AsSpan(8, 32).Clear();
        new Diode.Tunnel.WireGuard.Cookies.CookieGenerator(
            B.Interface.PublicKey.ToArray(), Diode.Tunnel.WireGuard.Crypto.AeadFactory.Default).AddMacs(initiation, 0);
        Assert.Equal(DropReason.HandshakeFailed, B.Receive(initiation, A).Reason);
    }

    [Fact]
    public void Finished_handshakes_leave_no_receiver_indices_behind()
    {
        for (int i = 0; i < 20; i++)
        {
            A.SendPacket(ToB, B);
            Wire.RunSeconds(181);
        }

        Assert.InRange(A.Interface.ReceiverIndexCount, 1, 3);
        Assert.InRange(B.Interface.ReceiverIndexCount, 1, 3);
    }
}
