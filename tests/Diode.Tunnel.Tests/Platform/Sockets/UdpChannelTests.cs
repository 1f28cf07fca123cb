using System.Net;
using System.Net.Sockets;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Sockets;
using Diode.Tunnel.Testing;
using Xunit;

namespace Diode.Tunnel.Tests.Platform.Sockets;

public sealed class UdpChannelTests
{
    private readonly PacketPool _pool = new();

    public static TheoryData<bool, bool, bool> Ways => new()
    {
        { false, false, false },
        { true, false, false },
        { false, true, false },
        { true, true, false },
        { false, false, true },
    };

    [Theory]
    [MemberData(nameof(Ways))]
    public void A_train_arrives_as_the_same_datagrams_in_order(bool segmentation, bool merge, bool portable)
    {
        using UdpChannel sender = Bind(segmentation, merge, portable);
        using UdpChannel receiver = Bind(segmentation, merge, portable);
        Assert.Equal(segmentation && !portable, sender.Active.HasFlag(UdpOffloads.Segmentation));
        Assert.Equal(merge && !portable, receiver.Active.HasFlag(UdpOffloads.Merge));
        foreach ((int size, int last, int count) in new[] { (1, 1, 1), (1420, 1420, 1), (1420, 7, 2), (1200, 1200, 45), (64, 20, 200), (8000, 3000, 17) })
        {
            byte[] train = Pattern(((count - 1) * size) + last);

            Assert.True(sender.Send(Loopback(receiver), train, size));

            List<byte[]> datagrams = ReceiveAll(receiver, train.Length, sender);
            Assert.Equal(count, datagrams.Count);
            Assert.All(datagrams[..^1], datagram => Assert.Equal(size, datagram.Length));
            Assert.Equal(train, datagrams.SelectMany(bytes => bytes));
        }

        Assert.Equal(sender.Sent, receiver.Received);
        Assert.Equal((0, 0), (sender.SendDrops, receiver.ReceiveDrops));
    }

    [Fact]
    public void Trains_arrive_whole()
    {
        using UdpChannel sender = Bind();
        using UdpChannel receiver = Bind();
        byte[] train = Pattern((40 * 1452) + 100);
        Assert.True(sender.Send(Loopback(receiver), train, 1452));
        DatagramBatch batch = new(_pool);

        Assert.Equal(1, receiver.Receive(batch));

        Assert.Equal(1452, batch.SegmentSize(0));
        Assert.Equal(train, batch.Buffer(0).Span);
        Assert.Equal(PacketBuffer.Headroom, batch.Buffer(0).Offset);
        Assert.Equal(sender.Port, batch.Source(0).Port);
        Assert.Equal(41, receiver.Received);
        PacketBuffer taken = batch.Take(0);
        batch.Release();
        _pool.Return(taken);
        Assert.Equal(0, _pool.Rented);
    }

    [Fact]
    public void One_receive_takes_64_single_datagrams_or_16_trains()
    {
        using UdpChannel sender = Bind(segmentation: false);
        using UdpChannel trains = Bind();
        using UdpChannel receiver = Bind();
        EndpointAddress to = Loopback(receiver);
        DatagramBatch batch = new(_pool);
        List<int> counts = [];
        List<int> lengths = [];
        for (int round = 0; round < 3; round++)
        {
            for (int i = 0; i < 130; i++)
            {
                Assert.True(sender.Send(in to, Pattern(100)));
            }

            for (int i = 0; i < 40; i++)
            {
                Assert.True(trains.Send(in to, Pattern(20_000), 1000));
            }

            for (int left = (130 * 100) + (40 * 20_000); left > 0;)
            {
                counts.Add(receiver.Receive(batch));
                for (int i = 0; i < batch.Count; i++)
                {
                    Assert.Equal(Pattern(batch.Buffer(i).Length), batch.Buffer(i).Span);
                    lengths.Add(batch.Buffer(i).Length);
                    left -= batch.Buffer(i).Length;
                }

                // Taken buffers are replaced, also behind the ones that are used next.
                _pool.Return(batch.Take(batch.Count - 1));
            }

            batch.Release();
        }

        Assert.Equal(DatagramBatch.MaxCapacity, counts[0]);
        Assert.Contains(DatagramBatch.TrainCapacity, counts);
        Assert.Equal(3 * 130, lengths.Count(length => length == 100));
        Assert.Equal(3 * 40, lengths.Count(length => length == 20_000));
        Assert.Equal(0, _pool.Rented);
    }

    [Fact]
    public void A_train_keeps_its_datagrams_apart_whatever_its_slot_held_before()
    {
        const int Trains = DatagramBatch.TrainCapacity + 4;
        using UdpChannel sender = Bind();
        using UdpChannel receiver = Bind();
        EndpointAddress to = Loopback(receiver);
        byte[] train = Pattern(20 * 1000);
        DatagramBatch batch = new(_pool);
        for (int round = 0; round < 2; round++)
        {
            for (int i = 0; i < Trains; i++)
            {
                Assert.True(sender.Send(to, train, 1000));
            }

            // In the last slots of a large call there is one without control data.
            Assert.True(sender.Send(to, train.AsSpan(0, 100)));
            Assert.True(sender.Send(to, train, 1000));
            Assert.Equal(Trains + 2, receiver.Receive(batch));
            Assert.Equal(
                [.. Enumerable.Repeat(1000, Trains), 0, 1000], Enumerable.Range(0, batch.Count).Select(batch.SegmentSize));

            // A small call, and then a large one again with trains only.
            Assert.True(sender.Send(to, train.AsSpan(0, 100)));
            Assert.Equal(1, receiver.Receive(batch));
            for (int i = 0; i < Trains + 2; i++)
            {
                Assert.True(sender.Send(to, train, 1000));
            }

            Assert.Equal(Trains + 2, receiver.Receive(batch));
            Assert.All(Enumerable.Range(0, batch.Count), i => Assert.Equal(1000, batch.SegmentSize(i)));
            Assert.True(sender.Send(to, train.AsSpan(0, 100)));
            Assert.Equal(1, receiver.Receive(batch));
        }

        batch.Release();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Several_trains_leave_in_one_call(bool segmentation)
    {
        using UdpChannel sender = Bind(segmentation);
        using UdpChannel first = Bind();
        using UdpChannel second = Bind();
        using UdpChannel third = Bind();
        UdpChannel[] receivers = [first, second, third];
        PacketBuffer buffer = _pool.RentLarge();
        byte[] bytes = Pattern(60_000);
        buffer.TryAssign(bytes);
        OutgoingTrain[] trains =
        [
            new(Loopback(receivers[0]), buffer, buffer.Offset, 10_500, 1000),
            new(Loopback(receivers[1]), buffer, buffer.Offset + 10_500, 100, 0),
            new(Loopback(receivers[2]), buffer, buffer.Offset + 10_600, 49_400, 500),
            new(Loopback(receivers[1]), buffer, buffer.Offset, 1000, 1000),
        ];

        Assert.Equal(4, sender.Send(trains));

        Assert.Equal(bytes[..10_500], ReceiveAll(receivers[0], 10_500, sender).SelectMany(datagram => datagram));
        Assert.Equal(99, ReceiveAll(receivers[2], 49_400, sender).Count);
        Assert.Equal([100, 1000], ReceiveAll(receivers[1], 1100, sender).Select(datagram => datagram.Length));
        Assert.Equal(11 + 1 + 99 + 1, sender.Sent);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_dual_mode_socket_speaks_both_families(bool portable)
    {
        using UdpChannel dual = UdpChannel.Bind(
            AddressFamily.InterNetworkV6, 0, new UdpChannelOptions { Mark = 0, DualMode = true, UsePortable = portable });
        using UdpChannel four = Bind();
        using UdpChannel six = UdpChannel.Bind(AddressFamily.InterNetworkV6, 0, new UdpChannelOptions { Mark = 0 });
        DatagramBatch batch = new(_pool);
        Assert.True(EndpointAddress.TryParse($"[::1]:{dual.Port}", out EndpointAddress dualSix));

        Assert.True(four.Send(Loopback(dual), Pattern(10)));
        Assert.Equal(1, dual.Receive(batch));
        Assert.True(batch.Source(0).IsIpv4);
        Assert.True(dual.Send(batch.Source(0), Pattern(20)));
        Assert.Equal(1, four.Receive(batch));
        Assert.True(six.Send(dualSix, Pattern(30)));
        Assert.Equal(1, dual.Receive(batch));
        Assert.True(dual.Send(batch.Source(0), Pattern(40)));
        Assert.Equal(1, six.Receive(batch));
        Assert.Equal(40, batch.Buffer(0).Length);
        Assert.False(four.Send(dualSix, Pattern(5)));
        Assert.Equal(1, four.SendDrops);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Stop_ends_a_waiting_receive_and_all_later_ones(bool portable)
    {
        using UdpChannel channel = Bind(portable: portable);
        using UdpChannel other = Bind();
        DatagramBatch batch = new(_pool);
        int result = -1;
        Thread reader = new(() => result = channel.Receive(batch));
        reader.Start();
        Assert.False(reader.Join(TimeSpan.FromMilliseconds(100)));

        channel.Stop();

        Assert.True(reader.Join(TimeSpan.FromSeconds(5)));
        Assert.Equal(0, result);
        Assert.Equal(0, channel.Receive(batch));
        Assert.True(channel.Send(Loopback(other), Pattern(100)));
        Assert.Equal(1, other.Receive(batch));
    }

    [Fact]
    public void Dispose_ends_a_waiting_receive_and_races_with_senders_without_harm()
    {
        for (int i = 0; i < 30; i++)
        {
            UdpChannel channel = Bind();
            EndpointAddress to = Loopback(channel);
            DatagramBatch batch = new(_pool);
            Thread reader = new(() => { while (channel.Receive(batch) > 0) { } });
            Thread writer = new(() => { for (int n = 0; n < 200; n++) { channel.Send(in to, new byte[3000], 1000); } });
            reader.Start();
            writer.Start();
            channel.Dispose();
            Assert.True(reader.Join(TimeSpan.FromSeconds(5)));
            Assert.True(writer.Join(TimeSpan.FromSeconds(5)));
            Assert.False(channel.Send(in to, new byte[10]));
        }
    }

    [Fact]
    public void Sending_and_receiving_allocates_nothing()
    {
        foreach (bool offloads in new[] { true, false })
        {
            using UdpChannel sender = Bind(offloads, offloads);
            using UdpChannel receiver = Bind(offloads, offloads);
            EndpointAddress to = Loopback(receiver);
            byte[] train = Pattern(20 * 1420);
            DatagramBatch batch = new(_pool);
            PacketBuffer buffer = _pool.RentLarge();
            buffer.TryAssign(train);
            OutgoingTrain[] trains = [new(to, buffer, buffer.Offset, 7000, 1000), new(to, buffer, buffer.Offset, 500, 0)];
            Cycle();
            Assert.Equal(0, AllocationProbe.Fewest(() =>
            {
                for (int i = 0; i < 100; i++)
                {
                    Cycle();
                }
            }));

            void Cycle()
            {
                Pump(sender.Send(in to, train, 1420), 20 * 1420);
                Pump(sender.Send(trains) == 2, 7500);
            }

            void Pump(bool sent, int left)
            {
                Assert.True(sent);
                while (left > 0)
                {
                    int count = receiver.Receive(batch);
                    for (int i = 0; i < count; i++)
                    {
                        left -= batch.Buffer(i).Length;
                    }
                }
            }
        }
    }

    [Fact]
    public void A_port_in_use_is_explained()
    {
        using UdpChannel first = Bind();
        PlatformException refused = Assert.Throws<PlatformException>(
            () => UdpChannel.Bind(AddressFamily.InterNetwork, first.Port, new UdpChannelOptions { Mark = 0 }));
        Assert.Contains($"UDP port {first.Port}", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_self_test_passes_here()
    {
        Assert.Equal(UdpOffloads.All, UdpOffloadTest.Run());
    }

    [Fact]
    public void A_datagram_over_the_limit_of_the_loopback_is_reported_and_the_train_goes_on()
    {
        using UdpChannel sender = UdpChannel.Bind(AddressFamily.InterNetwork, 0, new UdpChannelOptions
        {
            Mark = 0,
            Fragments = FragmentPolicy.Probe,
            ReportTooBig = true,
        });
        using UdpChannel receiver = Bind();
        EndpointAddress reported = default;
        sender.TooBig += (to, _) => reported = to;
        (EndpointAddress, SendRefusal, int) refused = default;
        sender.Refused += (to, why, length) => refused = (to, why, length);

        Assert.False(sender.Send(Loopback(receiver), Pattern(65_530)));
        Assert.Equal(Loopback(receiver), reported);
        Assert.Equal((Loopback(receiver), SendRefusal.TooLong, 65_530), refused);
        Assert.Equal(1, sender.SendDrops);
        Assert.True(sender.Send(Loopback(receiver), Pattern(3000), 1000));
        Assert.Equal(UdpOffloads.All, sender.Active);
    }

    private static UdpChannel Bind(bool segmentation = true, bool merge = true, bool portable = false) =>
        UdpChannel.Bind(AddressFamily.InterNetwork, 0, new UdpChannelOptions
        {
            Mark = 0,
            Segmentation = segmentation,
            Merge = merge,
            UsePortable = portable,
        });

    private static EndpointAddress Loopback(UdpChannel channel)
    {
        EndpointAddress.TryFrom(new IPEndPoint(IPAddress.Loopback, channel.Port), out EndpointAddress endpoint);
        return endpoint;
    }

    private static byte[] Pattern(int length)
    {
        byte[] bytes = new byte[length];
        for (int i = 0; i < length; i++)
        {
            bytes[i] = (byte)((i * 31) + (i >> 8));
        }

        return bytes;
    }

    private List<byte[]> ReceiveAll(UdpChannel channel, int length, UdpChannel sender)
    {
        DatagramBatch batch = new(_pool, 4);
        List<byte[]> datagrams = [];
        while (length > 0)
        {
            int count = channel.Receive(batch);
            Assert.NotEqual(0, count);
            for (int i = 0; i < count; i++)
            {
                Assert.Equal(Loopback(sender), batch.Source(i));
                Span<byte> train = batch.Buffer(i).Span;
                length -= train.Length;
                int size = batch.SegmentSize(i) == 0 ? train.Length : batch.SegmentSize(i);
                for (; train.Length > 0; train = train[Math.Min(size, train.Length)..])
                {
                    datagrams.Add(train[..Math.Min(size, train.Length)].ToArray());
                }
            }
        }

        batch.Release();
        return datagrams;
    }
}
