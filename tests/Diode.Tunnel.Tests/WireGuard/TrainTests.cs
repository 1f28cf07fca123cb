using Diode.Tunnel.Testing;
using Diode.Tunnel.WireGuard;
using Xunit;

namespace Diode.Tunnel.Tests.WireGuard;

public class TrainTests : TwoEndedTests
{
    private const int Header = WireGuardConstants.SealHeadroom;
    private readonly ReceivedPacket[] _packets = new ReceivedPacket[WireGuardInterface.MaxTrainLength];

    [Theory]
    [InlineData(1, 100, 100)]
    [InlineData(2, 1420, 1420)]
    [InlineData(45, 1420, 300)]
    [InlineData(64, 64, 24)]
    public void A_train_is_what_single_calls_would_have_made(int count, int length, int last)
    {
        Establish();
        ulong before = ToB.Session.Keypairs.Current!.NextCounter;
        long sent = ToB.TxBytes;
        (byte[] train, int stride) = MakeTrain(count, length, last);
        Assert.Equal(SealStatus.Sealed, A.Interface.SealTrain(ToB, train, stride, Wire.Now).Status);
        Assert.Equal(before + (ulong)count, ToB.Session.Keypairs.Current!.NextCounter);
        Assert.Equal(train.Length, ToB.TxBytes - sent);
        for (int i = 0; i < count; i++)
        {
            byte[] datagram = train[(i * stride)..Math.Min((i + 1) * stride, train.Length)];
            Assert.Equal(ReceiveStatus.Packet, B.Receive(datagram, A).Status);
        }

        Assert.Equal(Enumerable.Range(0, count), B.DeliveredPayloads());
        Assert.Equal(last, B.Delivered[^1].Length);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(64)]
    public void A_train_is_received_as_single_datagrams_would_be(int count)
    {
        Establish();
        long received = ToA.RxBytes;
        (byte[] train, int stride) = SealedTrain(count, 500, 60);
        Assert.Equal((count, 0), Receive(train, stride));
        Assert.Equal(train.Length, ToA.RxBytes - received);
        for (int i = 0; i < count; i++)
        {
            Assert.Same(ToA, _packets[i].Peer);
            Assert.Equal(i == count - 1 ? 60 : 500, _packets[i].Length);
            Assert.Equal(i, BitConverter.ToInt32(train, _packets[i].Offset + 20));
        }

        Assert.Equal((0, count), Receive([.. train], stride)); // decrypted: no longer authentic
        Assert.Equal(count, B.Interface.Drops[DropReason.DecryptionFailed]);
    }

    [Fact]
    public void Bad_datagrams_of_a_train_do_not_harm_the_good_ones()
    {
        Establish();
        (byte[] train, int stride) = SealedTrain(10, 500, 500);
        byte[] again = [.. train];
        train[(2 * stride) + 30] ^= 1; // forged
        train[(4 * stride) + 5] ^= 1; // another receiver
        train[6 * stride] = 9; // no message at all
        train.AsSpan(0, stride).CopyTo(train.AsSpan(8 * stride)); // twice the same
        Assert.Equal((6, 4), Receive(train, stride));
        Assert.Equal([0, 1, 3, 5, 7, 9], Payloads(train, 6));
        Assert.Equal(1, B.Interface.Drops[DropReason.DecryptionFailed]);
        Assert.Equal(1, B.Interface.Drops[DropReason.UnknownReceiver]);
        Assert.Equal(1, B.Interface.Drops[DropReason.MalformedMessage]);
        Assert.Equal(1, B.Interface.Drops[DropReason.ReplayedCounter]);

        // What was lost may still come, what was delivered may not come again.
        Assert.Equal((4, 6), Receive(again, stride));
        Assert.Equal([2, 4, 6, 8], Payloads(again, 4));
    }

    [Fact]
    public void A_source_that_is_not_the_peers_own_is_dropped_from_a_train()
    {
        Establish();
        (byte[] train, int stride) = MakeTrain(5, 100, 100);
        train[(2 * stride) + Header + 15] ^= 0x80;
        A.Interface.SealTrain(ToB, train, stride, Wire.Now);
        Assert.Equal((4, 1), Receive(train, stride));
        Assert.Equal([0, 1, 3, 4], Payloads(train, 4));
        Assert.Equal(1, B.Interface.Drops[DropReason.SourceNotAllowed]);
    }

    [Fact]
    public void A_train_may_end_with_a_keepalive_and_is_then_no_less_whole()
    {
        Establish();
        (byte[] train, int stride) = SealedTrain(3, 100, 100);
        List<VirtualWire.Flight> log = Wire.Log;
        log.Clear();
        A.Interface.Tick(Wire.Now);
        ToB.SetPersistentKeepalive(TimeSpan.FromSeconds(1));
        Wire.Filter = _ => false;
        Wire.RunSeconds(0.1);
        byte[] keepalive = Assert.Single(log, flight => flight.Type == 4).Datagram;
        Assert.Equal(32, keepalive.Length);
        Assert.Equal((3, 0), Receive([.. train, .. keepalive], stride));
    }

    [Fact]
    public void A_train_without_session_waits_and_follows_in_order()
    {
        (byte[] train, int stride) = MakeTrain(20, 333, 40);
        Assert.Equal(SealStatus.Staged, A.Interface.SealTrain(ToB, train, stride, Wire.Now).Status);
        Assert.Equal(SealStatus.Staged, A.SendPacket(ToB, B, 20));
        Wire.RunSeconds(1);
        Assert.Equal(Enumerable.Range(0, 21), B.DeliveredPayloads());
        Assert.Equal(333, B.Delivered[0].Length);
        Assert.Equal(40, B.Delivered[19].Length);
        (train, stride) = MakeTrain(2, 333, 333);
        Assert.Equal(SealStatus.Sealed, A.Interface.SealTrain(ToB, train, stride, Wire.Now).Status);
    }

    [Fact]
    public void Trains_may_be_sealed_and_opened_out_of_order_by_others()
    {
        Establish();
        (byte[] Train, int Stride)[] trains = [MakeTrain(3, 500, 60), MakeTrain(5, 300, 300), MakeTrain(1, 100, 100)];
        TrainReservation[] reservations = new TrainReservation[3];
        ulong before = ToB.Session.Keypairs.Current!.NextCounter;
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(
                SealStatus.Sealed,
                A.Interface.ReserveTrain(ToB, trains[i].Train, trains[i].Stride, Wire.Now, out reservations[i]).Status);
        }

        for (int i = 2; i >= 0; i--)
        {
            Assert.True(reservations[i].TrySeal(trains[i].Train, trains[i].Stride));
        }

        Assert.Equal(before, BitConverter.ToUInt64(trains[0].Train, 8));
        Assert.Equal(before + 3, BitConverter.ToUInt64(trains[1].Train, 8));
        Assert.Equal(before + 8, BitConverter.ToUInt64(trains[2].Train, 8));
        OpenedTrain[] opened = new OpenedTrain[3];
        for (int i = 2; i >= 0; i--)
        {
            opened[i] = B.Interface.OpenTrain(trains[i].Train, trains[i].Stride, Wire.Now);
        }

        for (int i = 0; i < 3; i++)
        {
            int count = (trains[i].Train.Length + trains[i].Stride - 1) / trains[i].Stride;
            Assert.Equal(count, ReceiveOpened(trains[i], opened[i]));
            Assert.Equal(Enumerable.Range(0, count), Payloads(trains[i].Train, count));
            Assert.Equal(0, ReceiveOpened(trains[i], opened[i])); // accepted once
        }

        Assert.Equal(9, B.Interface.Drops[DropReason.ReplayedCounter]);

        int ReceiveOpened((byte[] Train, int Stride) train, in OpenedTrain open) => B.Interface.ReceiveTrain(
            train.Train, train.Stride, open, A, A.SourceAddress, Wire.Now, _packets, out _);
    }

    [Fact]
    public void What_is_not_of_one_session_is_not_opened_ahead()
    {
        Establish();
        (byte[] train, int stride) = SealedTrain(4, 100, 100);
        train[(2 * stride) + 4] ^= 1;
        OpenedTrain opened = B.Interface.OpenTrain(train, stride, Wire.Now);
        Assert.Equal(default, opened);
        Assert.Equal(3, B.Interface.ReceiveTrain(train, stride, opened, A, A.SourceAddress, Wire.Now, _packets, out int dropped));
        Assert.Equal(1, dropped);
    }

    [Fact]
    public void A_reservation_of_a_removed_peer_seals_nothing()
    {
        Establish();
        (byte[] train, int stride) = MakeTrain(3, 100, 100);
        A.Interface.ReserveTrain(ToB, train, stride, Wire.Now, out TrainReservation reservation);
        A.Interface.RemovePeer(ToB);
        Assert.False(reservation.TrySeal(train, stride));
        Assert.Equal(
            DropReason.PeerRemoved,
            A.Interface.ReserveTrain(ToB, train, stride, Wire.Now, out reservation).Reason);
    }

    [Fact]
    public void A_removed_peer_gets_no_train()
    {
        Establish();
        (byte[] train, int stride) = SealedTrain(3, 100, 100);
        A.Interface.RemovePeer(ToB);
        (byte[] other, _) = MakeTrain(3, 100, 100);
        Assert.Equal(
            new SealResult(SealStatus.Dropped, DropReason.PeerRemoved),
            A.Interface.SealTrain(ToB, other, stride, Wire.Now));
        B.Interface.RemovePeer(ToA);
        Assert.Equal((0, 3), Receive(train, stride));
    }

    [Theory]
    [InlineData(WireGuardConstants.RekeyAfterMessages - 10, SealStatus.Sealed, false)]
    [InlineData(WireGuardConstants.RekeyAfterMessages - 9, SealStatus.Sealed, true)]
    [InlineData(WireGuardConstants.RejectAfterMessages - 10, SealStatus.Sealed, true)]
    [InlineData(WireGuardConstants.RejectAfterMessages - 9, SealStatus.Staged, true)]
    public void The_limits_of_a_keypair_hold_for_trains(ulong counter, SealStatus expected, bool renews)
    {
        Establish();
        Wire.RunSeconds(6); // no longer throttled
        ToB.Session.Keypairs.Current!.NextCounter = counter;
        Wire.Log.Clear();
        (byte[] train, int stride) = MakeTrain(10, 100, 100);
        Assert.Equal(expected, A.Interface.SealTrain(ToB, train, stride, Wire.Now).Status);
        Assert.Equal(renews, Wire.Log.Exists(flight => flight.Type == 1));
    }

    [Fact]
    public void An_old_keypair_is_renewed_by_a_train()
    {
        Establish();
        Wire.RunSeconds(117);
        SealedTrain(2, 100, 100);
        Assert.DoesNotContain(Wire.Log, flight => flight.Type == 1);
        Wire.RunSeconds(2);
        SealedTrain(2, 100, 100);
        Assert.Single(Wire.Log, flight => flight.Type == 1);
    }

    [Fact]
    public void The_first_train_under_a_new_keypair_confirms_it()
    {
        Wire.Filter = flight => flight.Type != 4;
        A.Interface.SealTrain(ToB, MakeTrain(1, 100, 100).Train, 144, Wire.Now);
        Wire.RunSeconds(1);
        Assert.False(ToA.HasSession(Wire.Now));
        (byte[] train, int stride) = SealedTrain(5, 100, 100);
        Assert.Equal((5, 0), Receive(train, stride));
        Assert.True(ToA.HasSession(Wire.Now));
    }

    [Fact]
    public void Damaged_trains_never_throw_and_deliver_nothing_forged()
    {
        Establish();
        Random random = new(7);
        for (int round = 0; round < 20_000; round++)
        {
            (byte[] train, int stride) = SealedTrain(random.Next(1, 8), 48, 24);
            int changes = random.Next(1, 5);
            for (int i = 0; i < changes; i++)
            {
                train[random.Next(train.Length)] ^= (byte)random.Next(1, 256);
            }

            int cut = random.Next(3) == 0 ? random.Next(1, train.Length + 1) : train.Length;
            int step = random.Next(3) == 0 ? random.Next(1 + (cut / 60), 200) : stride;
            (int packets, _) = Receive(train[..cut], step);
            for (int i = 0; i < packets; i++)
            {
                Assert.True(_packets[i].Length is 48 or 24);
            }
        }
    }

    [Fact]
    public void Trains_allocate_nothing()
    {
        Establish();
        (byte[] original, int stride) = MakeTrain(45, 1420, 1420);
        byte[] train = [.. original];
        int delivered = 0;
        Assert.Equal(0, AllocationProbe.Fewest(() =>
        {
            delivered = 0;
            for (int i = 0; i < 50; i++)
            {
                original.CopyTo(train, 0);
                A.Interface.SealTrain(ToB, train, stride, Wire.Now);
                delivered += Receive(train, stride).Packets;
            }
        }));
        Assert.Equal(50 * 45, delivered);
    }

    private (byte[] Train, int Stride) MakeTrain(int count, int length, int last)
    {
        int stride = A.Interface.DatagramLength(length);
        byte[] train = new byte[((count - 1) * stride) + A.Interface.DatagramLength(last)];
        for (int i = 0; i < count; i++)
        {
            VirtualNode.MakePacket(A.Address, B.Address, i, i == count - 1 ? last : length)
                .CopyTo(train, (i * stride) + Header);
        }

        return (train, stride);
    }

    private (byte[] Train, int Stride) SealedTrain(int count, int length, int last)
    {
        (byte[] train, int stride) = MakeTrain(count, length, last);
        Assert.Equal(SealStatus.Sealed, A.Interface.SealTrain(ToB, train, stride, Wire.Now).Status);
        return (train, stride);
    }

    private (int Packets, int Dropped) Receive(byte[] train, int stride)
    {
        int packets = B.Interface.ReceiveTrain(train, stride, A, A.SourceAddress, Wire.Now, _packets, out int dropped);
        return (packets, dropped);
    }

    private IEnumerable<int> Payloads(byte[] train, int count)
    {
        return _packets.Take(count).Select(packet => BitConverter.ToInt32(train, packet.Offset + 20));
    }
}
