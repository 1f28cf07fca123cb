using System.Buffers.Binary;
using Diode.Tunnel.Engine.Addressing;
using Diode.Tunnel.Engine.Packets;
using Diode.Tunnel.Engine.Peers;
using Diode.Tunnel.Engine.Pipeline;
using Diode.Tunnel.Platform.Tun.Offload;
using Diode.Tunnel.Testing;
using Diode.Tunnel.Tests.Engine.Packets;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.Pipeline;

/// <summary>Super-packets and runs of packets: cut, sealed, carried and opened together.</summary>
public class TrainPipelineTests : IDisposable
{
    private const int SegmentSize = 1368;
    private readonly ManualTimeProvider _time = new(DateTimeOffset.UnixEpoch.AddYears(56));
    private readonly PipelineNode _a;
    private readonly PipelineNode _b;

    public TrainPipelineTests()
        : this(helpers: 0)
    {
    }

    private protected TrainPipelineTests(int helpers)
    {
        _a = new PipelineNode(PipelineNode.MakeDevice(1), _time, helpers: helpers);
        _b = new PipelineNode(PipelineNode.MakeDevice(2), _time, helpers: helpers);
        PipelineNode.Connect(_a, _b);
        _b.Publish("all to fleet\n");
        Open(_a, _b, _a.Ipv4, _b.Ipv4);
        Open(_a, _b, _a.Ipv6, _b.Ipv6);
    }

    private MemoryPath Path => (MemoryPath)_a.PeerOf(_b).Path!;

    [Theory]
    [InlineData(false, 2 * SegmentSize, 2)]
    [InlineData(false, 60_000, 44)]
    [InlineData(true, 60_000, 45)]
    [InlineData(true, (3 * SegmentSize) + 1, 4)]
    public void A_super_packet_arrives_as_its_segments(bool ipv6, int payload, int count)
    {
        int before = Path.Trains;
        byte[] super = Super(ipv6, payload, ipv6 ? 1340 : SegmentSize, out SegmentLayout layout);
        _a.SendAll((super, layout));
        Assert.InRange(Path.Trains - before, 1, 2);
        PipelineNode.Run(_a, _b);
        List<byte[]> arrived = Take(_b);
        Assert.Equal(count, arrived.Count);
        Assert.All(arrived, packet => Assert.True(PacketBuilder.IsSound(packet)));
        Assert.Equal(super[layout.HeaderLength..], arrived.SelectMany(packet => packet[layout.HeaderLength..]));
        Assert.Equal(0, Path.Unflushed);
    }

    [Fact]
    public void Super_packets_are_translated_once_and_stay_sound()
    {
        Assert.True(AddressPool.TryParse("10.77.0.0/16", out AddressPool? pool));
        using PipelineNode c = new(PipelineNode.MakeDevice(3), _time, pool);
        PipelineNode.Connect(c, _b);
        Open(c, _b, c.Ipv4, c.Ipv4Of(_b));
        byte[] packet = PacketBuilder.Tcp(c.Ipv4, c.Ipv4Of(_b), 40000, 22, TcpFlags.Ack, payload: 5000);
        c.SendAll((packet, new SegmentLayout(SegmentKind.TcpIpv4, 20, 40, 1000)));
        PipelineNode.Run(c, _b);
        List<byte[]> arrived = Take(_b);
        Assert.Equal(5, arrived.Count);
        Assert.All(arrived, segment => Assert.True(PacketBuilder.IsSound(segment)));
        Assert.All(arrived, segment => Assert.Equal(
            _b.Ipv4Of(c), PacketBuilder.Parse(segment).Source.ToIPAddress().ToString()));
    }

    [Fact]
    public void Equal_packets_to_one_peer_leave_together_and_in_order()
    {
        int before = Path.Trains;
        (byte[] Packet, SegmentLayout Layout)[] packets =
            [.. Enumerable.Range(0, 50).Select(i => (PacketBuilder.Udp(_a.Ipv4, _b.Ipv4, (ushort)(1000 + (i % 3)), 53, 64), default(SegmentLayout)))];
        for (int i = 0; i < packets.Length; i++)
        {
            packets[i].Packet[^1] = (byte)i;
        }

        _a.SendAll(packets);
        Assert.Equal(1, Path.Trains - before);
        PipelineNode.Run(_a, _b);
        Assert.Equal(packets.Select(packet => packet.Packet), Take(_b));
        Assert.Equal(52, _a.Pipeline.PacketsOut);
    }

    [Fact]
    public void Packets_of_any_size_and_peer_keep_their_order()
    {
        using PipelineNode c = new(PipelineNode.MakeDevice(3), _time);
        PipelineNode.Connect(_a, c);
        c.Publish("all to fleet\n");
        Random random = new(5);
        for (int round = 0; round < 50; round++)
        {
            List<(byte[] Packet, SegmentLayout Layout)> sent = [];
            List<byte[]> forB = [];
            List<byte[]> forC = [];
            for (int i = 0; i < 60; i++)
            {
                PipelineNode to = random.Next(4) == 0 ? c : _b;
                byte[] packet = PacketBuilder.Udp(_a.Ipv4, to.Ipv4, 1000, 53, random.Next(3) == 0 ? random.Next(1300) : 100);
                sent.Add((packet, default));
                (to == c ? forC : forB).Add(packet);
            }

            _a.SendAll([.. sent]);
            PipelineNode.Run(_a, _b, c);
            Assert.Equal(forB, Take(_b));
            Assert.Equal(forC, Take(c));
        }
    }

    [Fact]
    public void Many_trains_at_once_arrive_in_the_order_they_were_sent()
    {
        Random random = new(9);
        int number = 0;
        for (int round = 0; round < 40; round++)
        {
            List<(byte[] Packet, SegmentLayout Layout)> sent = [];
            int first = number;
            for (int i = 0; i < 12; i++)
            {
                byte[] super = Super(ipv6: false, random.Next(2000, 60_000), SegmentSize, out SegmentLayout layout);
                BinaryPrimitives.WriteUInt32BigEndian(super.AsSpan(24), (uint)number);
                number += super.Length - layout.HeaderLength;
                sent.Add((super, layout));
            }

            _a.SendAll([.. sent]);
            PipelineNode.Run(_a, _b);
            foreach (byte[] packet in Take(_b))
            {
                Assert.Equal((uint)first, BinaryPrimitives.ReadUInt32BigEndian(packet.AsSpan(24)));
                first += packet.Length - 40;
            }

            Assert.Equal(number, first);
        }

        Assert.Equal(0, _b.Pipeline.Drops(PipelineDrop.InRejected));
    }

    [Fact]
    public void A_connection_that_ends_within_a_train_ends_for_the_filter()
    {
        byte[] data = PacketBuilder.Tcp(_a.Ipv4, _b.Ipv4, 40000, 22, TcpFlags.Ack, payload: 100);
        byte[] reset = PacketBuilder.Tcp(_a.Ipv4, _b.Ipv4, 40000, 22, TcpFlags.Rst, payload: 100);
        _a.SendAll((data, default), (data, default), (reset, default));
        PipelineNode.Run(_a, _b);
        Assert.Equal(3, Take(_b).Count);
        _b.Publish("23/tcp to fleet\n");
        _time.Advance(TimeSpan.FromMinutes(3));
        _a.SendAll((data, default), (data, default));
        PipelineNode.Run(_a, _b);
        Assert.Empty(Take(_b));
        Assert.Equal(2, _b.Pipeline.Drops(PipelineDrop.InFiltered));
    }

    [Fact]
    public void What_is_refused_within_a_train_does_not_open_the_way_for_its_neighbours()
    {
        _b.Publish("53/udp to fleet\n");
        byte[] good = PacketBuilder.Udp(_a.Ipv4, _b.Ipv4, 1000, 53);
        byte[] bad = PacketBuilder.Udp(_a.Ipv4, _b.Ipv4, 1000, 54);
        _a.SendAll((bad, default), (good, default), (bad, default), (good, default), (good, default), (bad, default));
        PipelineNode.Run(_a, _b);
        Assert.Equal([good, good, good], Take(_b));
        Assert.Equal(3, _b.Pipeline.Drops(PipelineDrop.InFiltered));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_packet_too_long_for_the_path_is_reported_with_the_length_that_fits(bool super)
    {
        Path.MaxDatagram = 1340;
        byte[] packet = PacketBuilder.Tcp(_a.Ipv4, _b.Ipv4, 40000, 22, TcpFlags.Ack, payload: super ? 20_000 : SegmentSize);
        packet[6] |= 0x40;
        PacketBuilder.FixHeader(packet);
        _time.Advance(TimeSpan.FromSeconds(1));
        _a.SendAll((packet, super ? new SegmentLayout(SegmentKind.TcpIpv4, 20, 40, SegmentSize) : default));
        byte[] report = Assert.Single(Take(_a));
        IpPacket parsed = PacketBuilder.Parse(report);
        Assert.Equal(IcmpKind.Error, parsed.Icmp);
        Assert.Equal((3, 4), (report[parsed.TransportOffset], report[parsed.TransportOffset + 1]));
        int mtu = BinaryPrimitives.ReadUInt16BigEndian(report.AsSpan(parsed.TransportOffset + 6));
        Assert.Equal(1296, mtu);
        Assert.True(_a.WireGuard.DatagramLength(mtu) <= Path.MaxDatagram);
        Assert.True(_a.Pipeline.Drops(PipelineDrop.OutPathFull) > 0);
    }

    [Fact]
    public void New_connections_are_told_what_the_path_carries()
    {
        byte[] mss1460 = [2, 4, 0x05, 0xB4];
        Path.MaxDatagram = 1340;
        _a.Send(PacketBuilder.Tcp(_a.Ipv4, _b.Ipv4, 40001, 22, TcpFlags.Syn, mss1460));
        PipelineNode.Run(_a, _b);
        byte[] syn = Assert.Single(Take(_b));
        Assert.Equal(1296 - 40, BinaryPrimitives.ReadUInt16BigEndian(syn.AsSpan(42)));
        Assert.True(PacketBuilder.IsSound(syn));
        _b.Send(PacketBuilder.Tcp(_b.Ipv4, _a.Ipv4, 22, 40001, TcpFlags.Syn | TcpFlags.Ack, mss1460));
        PipelineNode.Run(_a, _b);
        byte[] answer = Assert.Single(Take(_a));
        Assert.Equal(1296 - 40, BinaryPrimitives.ReadUInt16BigEndian(answer.AsSpan(42)));
        Assert.True(PacketBuilder.IsSound(answer));
    }

    [Fact]
    public void A_super_packet_waits_for_a_key_in_segments()
    {
        using PipelineNode c = new(PipelineNode.MakeDevice(3), _time);
        TunnelPeer toC = _a.Add(c);
        TunnelPeer toA = c.Add(_a);
        c.GiveKey(_a);
        c.Publish("all to fleet\n");
        PipelineNode.Link(_a, toC, c, toA);
        byte[] packet = PacketBuilder.Udp(_a.Ipv4, c.Ipv4, 1000, 53, 9000);
        _a.SendAll((packet, new SegmentLayout(SegmentKind.Udp, 20, 28, 1200)));
        _a.GiveKey(c);
        _a.Pipeline.SendWaiting(toC);
        PipelineNode.Run(_a, c);
        List<byte[]> arrived = Take(c);
        Assert.Equal(8, arrived.Count);
        Assert.All(arrived, segment => Assert.True(PacketBuilder.IsSound(segment)));
        Assert.Equal(packet[28..], arrived.SelectMany(segment => segment[28..]));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Super_packets_allocate_nothing(bool ipv6)
    {
        byte[] super = Super(ipv6, 60_000, 1300, out SegmentLayout layout);
        using BatchOfOne batch = new(_a, super, layout);
        _b.Adapter.KeepsWritten = false;
        long written = 0;
        Assert.Equal(0, AllocationProbe.Fewest(() =>
        {
            written = _b.Adapter.Writes;
            for (int i = 0; i < 20; i++)
            {
                batch.Send();
                PipelineNode.Run(_a, _b);
            }
        }));
        Assert.Equal(20 * 47, _b.Adapter.Writes - written);
    }

    public void Dispose()
    {
        _a.Dispose();
        _b.Dispose();
        GC.SuppressFinalize(this);
    }

    private static void Open(PipelineNode from, PipelineNode to, string source, string destination)
    {
        from.Send(PacketBuilder.Tcp(source, destination, 40000, 22, TcpFlags.Syn));
        PipelineNode.Run(from, to);
        Assert.Single(Take(to));
    }

    private static List<byte[]> Take(PipelineNode node)
    {
        List<byte[]> packets = [];
        while (node.Adapter.TryTakeWritten(out byte[]? packet))
        {
            packets.Add(packet);
        }

        return packets;
    }

    private byte[] Super(bool ipv6, int payload, int segmentSize, out SegmentLayout layout)
    {
        int network = ipv6 ? 40 : 20;
        layout = new SegmentLayout(ipv6 ? SegmentKind.TcpIpv6 : SegmentKind.TcpIpv4, network, network + 20, segmentSize);
        return PacketBuilder.Tcp(
            ipv6 ? _a.Ipv6 : _a.Ipv4, ipv6 ? _b.Ipv6 : _b.Ipv4, 40000, 22, TcpFlags.Ack, payload: payload);
    }
}
