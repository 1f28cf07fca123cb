using Diode.Tunnel.Engine.Relays;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Testing;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.Relays;

public sealed class ReceivedTrainsTests : IRelayEvents
{
    private const byte Data = 4;
    private const byte Probe = 0xd1;

    private readonly PacketPool _pool = new();
    private readonly ReceivedTrains _trains;
    private readonly RelayPort _port = MakePort();
    private readonly RelayPort _other = MakePort();
    private readonly List<(RelayPort Port, byte[] Bytes, int SegmentSize)> _taken = [];
    private int _ends;
    private bool _keeps = true;

    public ReceivedTrainsTests()
    {
        _trains = new ReceivedTrains(_pool);
    }

    [Fact]
    public void Datagrams_of_a_size_are_one_train_that_a_shorter_one_ends()
    {
        Add(_port, Data, 1452, 1452, 1452, 100, 100, 1452);
        Assert.Equal([(3 * 1452) + 100, 100, 1452], Deliver());
        Assert.Equal([1452, 100, 1452], _taken.Select(static train => train.SegmentSize));
        Assert.Equal((1, 0L), (_ends, _pool.Rented));
    }

    [Fact]
    public void Ports_and_kinds_do_not_mix()
    {
        Add(_port, Data, 64, 64);
        Add(_port, Probe, 64, 64);
        Add(_other, Probe, 64);
        Add(_port, Data, 64);
        Assert.Equal([128, 128, 64, 64], Deliver());
        Assert.Equal([_port, _port, _other, _port], _taken.Select(static train => train.Port));
        Assert.Equal([Data, Probe, Probe, Data], _taken.Select(static train => train.Bytes[0]));
    }

    [Fact]
    public void What_cannot_be_a_datagram_of_ours_is_left_out()
    {
        Add(_port, Data, 0, ReceivedTrains.MaxDatagram + 1, 65_535);
        Assert.True(_trains.IsEmpty);
        Add(_port, Data, ReceivedTrains.MaxDatagram, 0, ReceivedTrains.MaxDatagram);
        Assert.Equal([2 * ReceivedTrains.MaxDatagram], Deliver());
        Assert.True(_trains.IsEmpty);
    }

    [Fact]
    public void Any_sequence_arrives_complete_and_in_order()
    {
        Random random = new(3);
        for (int round = 0; round < 200; round++)
        {
            List<byte[]> sent = [];
            int size = 1452;
            for (int i = random.Next(300); i >= 0; i--)
            {
                size = random.Next(4) == 0 ? random.Next(1, ReceivedTrains.MaxDatagram) : size;
                byte[] datagram = new byte[size];
                random.NextBytes(datagram);
                datagram[0] = random.Next(20) == 0 ? Probe : Data;
                sent.Add(datagram);
                _trains.Add(random.Next(30) == 0 ? _other : _port, datagram);
            }

            Deliver();
            Assert.Equal(sent, _taken.SelectMany(static train => train.Bytes.Chunk(train.SegmentSize)));
            Assert.All(_taken, static train => Assert.All(train.Bytes.Chunk(train.SegmentSize), c => Assert.Equal(train.Bytes[0], c[0])));
        }

        Assert.Equal(0, _pool.Rented);
    }

    [Fact]
    public void A_read_allocates_nothing()
    {
        byte[] datagram = new byte[1452];
        _keeps = false;
        Assert.Equal(0, AllocationProbe.Fewest(() =>
        {
            for (int i = 0; i < 100; i++)
            {
                _trains.Add(i % 10 == 0 ? _other : _port, datagram);
            }

            _trains.Deliver(null!, this);
        }));
    }

    void IRelayEvents.OnDatagrams(RelayPort port, PacketBuffer datagrams, int segmentSize)
    {
        if (_keeps)
        {
            _taken.Add((port, datagrams.Span.ToArray(), segmentSize));
        }
    }

    void IRelayEvents.OnDatagramsEnd(RelayConnection relay) => _ends++;

    void IRelayEvents.OnReady(RelayConnection relay) => throw new NotSupportedException();

    void IRelayEvents.OnClosed(RelayConnection relay, string reason) => throw new NotSupportedException();

    void IRelayEvents.OnPortOpenRequested(RelayConnection relay, RelayPortRequest request) => throw new NotSupportedException();

    void IRelayEvents.OnControlData(RelayPort port, byte[] data) => throw new NotSupportedException();

    void IRelayEvents.OnPortClosed(RelayPort port) => throw new NotSupportedException();

    private static RelayPort MakePort()
    {
        return new RelayPort(null!, default, RelayPortUse.Control, default, opener: true);
    }

    private void Add(RelayPort port, byte kind, params ReadOnlySpan<int> lengths)
    {
        foreach (int length in lengths)
        {
            byte[] datagram = new byte[length];
            datagram.AsSpan(0, Math.Min(1, length)).Fill(kind);
            _trains.Add(port, datagram);
        }
    }

    private IEnumerable<int> Deliver()
    {
        _taken.Clear();
        _trains.Deliver(null!, this);
        return _taken.Select(static train => train.Bytes.Length);
    }
}
