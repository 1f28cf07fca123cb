using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Tun.Offload;
using Diode.Tunnel.Testing;
using Xunit;

namespace Diode.Tunnel.Tests.Platform.Tun;

public sealed class PacketMergerTests
{
    private readonly PacketPool _pool = new();
    private readonly List<PacketBuffer> _rented = [];
    private readonly RecordingSink _sink = new();
    private readonly PacketMerger _merger;

    public PacketMergerTests() => _merger = new PacketMerger(_sink);

    public static TheoryData<string, int> Breakers
    {
        get
        {
            TheoryData<string, int> data = [];
            foreach (string name in ((int[])[4, 6]).SelectMany(version => Pairs(version).Keys).Distinct())
            {
                data.Add(name, 4);
                data.Add(name, 6);
            }

            return data;
        }
    }

    [Theory]
    [InlineData(4)]
    [InlineData(6)]
    public void A_cut_super_packet_is_put_together_again(int version)
    {
        byte[] payload = TestPackets.Random(new Random(5), (40 * 1300) + 77);
        List<byte[]> packets = Train(version, payload, 1300);

        Add(packets);

        // The short last packet completes it: nothing waits for the flush.
        Assert.Equal([41], _sink.Writes);
        _merger.Flush();
        Assert.Equal(packets, _sink.Packets);
    }

    [Fact]
    public void A_long_stream_is_written_in_packets_of_up_to_64_KiB()
    {
        List<byte[]> packets = Train(4, TestPackets.Random(new Random(5), 300 * 1400), 1400, push: false);

        Add(packets);
        _merger.Flush();

        Assert.Equal(packets, _sink.Packets);
        Assert.Equal(46, _sink.Writes.Max());
        Assert.Equal((300 + 45) / 46, _sink.Writes.Count);
    }

    [Theory]
    [InlineData(4)]
    [InlineData(6)]
    public void Udp_datagrams_of_one_size_are_merged(int version)
    {
        Random random = new(6);
        List<byte[]> packets = [.. Enumerable.Range(0, 150).Select(
            i => TestPackets.Udp(version, TestPackets.Random(random, i == 149 ? 100 : 512), id: (ushort)(65_500 + i)))];

        Add(packets);
        _merger.Flush();

        Assert.Equal([64, 64, 22], _sink.Writes);
        Assert.Equal(packets, _sink.Packets);
    }

    [Fact]
    public void Flows_are_merged_side_by_side_and_acknowledgements_pass()
    {
        List<byte[]> one = Train(4, new byte[14_000], 1400, port: 1);
        List<byte[]> two = Train(6, new byte[14_000], 1400, port: 2);
        List<byte[]> mixed = [];
        for (int i = 0; i < 10; i++)
        {
            mixed.AddRange([one[i], two[i], TestPackets.Tcp(4, [], sourcePort: 3, ack: i)]);
        }

        Add(mixed);
        _merger.Flush();

        Assert.Equal(12, _sink.Writes.Count);
        Assert.Equal(2, _sink.Writes.Count(count => count == 10));
        Assert.Equal(mixed.Count, _sink.Packets.Count);
    }

    [Fact]
    public void More_flows_than_are_held_still_all_arrive()
    {
        List<byte[]> packets = [];
        for (int round = 0; round < 3; round++)
        {
            for (int flow = 0; flow < 40; flow++)
            {
                packets.Add(TestPackets.Tcp(4, new byte[100], seq: (uint)(round * 100), id: (ushort)round, sourcePort: flow + 1));
            }
        }

        Add(packets);
        _merger.Flush();

        AssertSameByFlow(packets);
    }

    [Theory]
    [MemberData(nameof(Breakers))]
    public void What_differs_is_not_merged(string name, int version)
    {
        if (!Pairs(version).TryGetValue(name, out (byte[] First, byte[] Second) pair))
        {
            return;
        }

        Add([pair.First, pair.Second]);
        _merger.Flush();

        Assert.Equal([1, 1], _sink.Writes);
        Assert.Equal([pair.First, pair.Second], _sink.Packets);
    }

    [Fact]
    public void The_control_pairs_are_merged()
    {
        Add([TestPackets.Tcp(4, new byte[50]), TestPackets.Tcp(4, new byte[50], seq: 1050, id: 10)]);
        Add([TestPackets.Tcp(4, new byte[50], id: 0, sourcePort: 1), TestPackets.Tcp(4, new byte[50], seq: 1050, id: 0, sourcePort: 1)]);
        Add([TestPackets.Udp(6, new byte[50], sourcePort: 2), TestPackets.Udp(6, new byte[50], sourcePort: 2)]);
        Add([TestPackets.Tcp(4, new byte[50], seq: uint.MaxValue - 19, dontFragment: false, sourcePort: 3),
            TestPackets.Tcp(4, new byte[50], seq: 30, id: 10, dontFragment: false, flags: TestPackets.Ack | TestPackets.Psh, sourcePort: 3)]);
        _merger.Flush();
        Assert.Equal([2, 2, 2, 2], _sink.Writes);
        Assert.All(_sink.Packets, packet => Assert.True(TestPackets.IsValid(packet)));
    }

    [Fact]
    public void Merging_can_be_off_for_each_protocol()
    {
        Add([TestPackets.Tcp(4, new byte[50]), TestPackets.Tcp(4, new byte[50], seq: 1050, id: 10)], tcp: false);
        Add([TestPackets.Udp(6, new byte[50]), TestPackets.Udp(6, new byte[50])], udp: false);
        Assert.Equal([1, 1, 1, 1], _sink.Writes);
    }

    [Fact]
    public void Random_traffic_arrives_as_it_was_sent_in_the_order_of_each_flow()
    {
        for (int seed = 0; seed < 20; seed++)
        {
            Random random = new(seed);
            List<Queue<byte[]>> flows = [.. Enumerable.Range(0, random.Next(1, 24)).Select(port => new Queue<byte[]>(RandomFlow(random, port + 1)))];
            List<byte[]> packets = [];
            while (flows.Count > 0)
            {
                int flow = random.Next(flows.Count);
                for (int burst = random.Next(1, 60); burst > 0 && flows[flow].Count > 0; burst--)
                {
                    packets.Add(flows[flow].Dequeue());
                }

                flows.RemoveAll(queue => queue.Count == 0);
            }

            _sink.Packets.Clear();
            foreach (byte[] packet in packets)
            {
                Add([packet]);
                if (random.Next(200) == 0)
                {
                    Flush();
                }
            }

            Flush();
            AssertSameByFlow(packets);
        }

        Assert.Contains(_sink.Writes, count => count > 30);
    }

    [Fact]
    public void Any_bytes_pass_unchanged()
    {
        Random random = new(3);
        byte[] model = TestPackets.Tcp(4, new byte[60]);
        byte[] model6 = TestPackets.Tcp(6, new byte[60]);
        for (int i = 0; i < 20_000; i++)
        {
            byte[] packet = [.. (i % 2 == 0 ? model : model6)[..random.Next(1, 100)]];
            for (int n = random.Next(6); n > 0; n--)
            {
                packet[random.Next(packet.Length)] = (byte)random.Next(256);
            }

            _sink.Packets.Clear();
            Add([packet]);
            Flush();
            Assert.Equal(packet, Assert.Single(_sink.Packets));
        }
    }

    [Fact]
    public void Merging_allocates_nothing()
    {
        PacketMerger merger = new(new RecordingSink { Keeps = false });
        PacketBuffer[] tcp = [.. Train(4, new byte[40_000], 1400).Select(Buffer)];
        PacketBuffer[] udp = [.. Enumerable.Range(0, 70).Select(_ => Buffer(TestPackets.Udp(6, new byte[100])))];
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
            foreach (PacketBuffer buffer in tcp)
            {
                merger.Add(buffer, buffer.Offset, buffer.Length, tcp: true, udp: true);
            }

            foreach (PacketBuffer buffer in udp)
            {
                merger.Add(buffer, buffer.Offset, buffer.Length, tcp: true, udp: true);
            }

            merger.Flush();
        }
    }

    /// <summary>Two packets that would be merged if they did not differ in one thing.</summary>
    private static Dictionary<string, (byte[] First, byte[] Second)> Pairs(int version)
    {
        byte[] p = new byte[50];
        byte[] first = TestPackets.Tcp(version, p);
        byte[] next = TestPackets.Tcp(version, p, seq: 1050, id: 10);
        byte[] udp = TestPackets.Udp(version, p);
        byte[] udpNext = TestPackets.Udp(version, p, id: 10);
        Dictionary<string, (byte[], byte[])> pairs = new()
        {
            ["gap"] = (first, TestPackets.Tcp(version, p, seq: 1051, id: 10)),
            ["repeated"] = (first, TestPackets.Tcp(version, p, seq: 1000, id: 10)),
            ["acknowledgement"] = (first, TestPackets.Tcp(version, p, seq: 1050, ack: 78, id: 10)),
            ["class"] = (first, TestPackets.Tcp(version, p, seq: 1050, tos: 2, id: 10)),
            ["hop limit"] = (first, TestPackets.Tcp(version, p, seq: 1050, ttl: 63, id: 10)),
            ["option length"] = (first, TestPackets.Tcp(version, p, seq: 1050, options: 8, id: 10)),
            ["options"] = (first, Change(next, version, 25)),
            ["window"] = (first, Change(next, version, 15)),
            ["pushed before"] = (TestPackets.Tcp(version, p, flags: TestPackets.Ack | TestPackets.Psh), next),
            ["fin"] = (first, TestPackets.Tcp(version, p, seq: 1050, flags: TestPackets.Ack | TestPackets.Fin, id: 10)),
            ["syn"] = (TestPackets.Tcp(version, p, flags: TestPackets.Syn), next),
            ["cwr"] = (first, TestPackets.Tcp(version, p, seq: 1050, flags: TestPackets.Ack | 0x80, id: 10)),
            ["ece"] = (first, TestPackets.Tcp(version, p, seq: 1050, flags: TestPackets.Ack | 0x40, id: 10)),
            ["urgent"] = (first, TestPackets.Tcp(version, p, seq: 1050, flags: TestPackets.Ack | 0x20, id: 10)),
            ["longer"] = (first, TestPackets.Tcp(version, new byte[51], seq: 1050, id: 10)),
            ["empty"] = (first, TestPackets.Tcp(version, [], seq: 1050, id: 10)),
            ["another port"] = (first, TestPackets.Tcp(version, p, seq: 1050, sourcePort: 4001, id: 10)),
            ["bad checksum"] = (first, Corrupt(next)),
            ["first has bad checksum"] = (Corrupt(first), next),
            ["udp longer"] = (udp, TestPackets.Udp(version, new byte[51], id: 10)),
            ["udp bad checksum"] = (udp, Corrupt(udpNext)),
            ["udp another port"] = (udp, TestPackets.Udp(version, p, sourcePort: 4001, id: 10)),
            ["udp without checksum"] = (udp, Change(udpNext, version, 6, 7)),
        };
        if (version == 4)
        {
            pairs["identification jumps"] = (first, TestPackets.Tcp(4, p, seq: 1050, id: 11));
            pairs["identification stays"] = (
                TestPackets.Tcp(4, p, dontFragment: false), TestPackets.Tcp(4, p, seq: 1050, id: 9, dontFragment: false));
            pairs["may be fragmented"] = (first, TestPackets.Tcp(4, p, seq: 1050, id: 10, dontFragment: false));
            byte[] header = [.. next];
            header[10] ^= 1;
            pairs["bad header checksum"] = (first, header);
        }

        return pairs;
    }

    /// <summary>Changes bytes of the TCP or UDP header: the first is made another, others become 0 together with it.</summary>
    private static byte[] Change(byte[] packet, int version, params int[] at)
    {
        byte[] changed = [.. packet];
        int network = version == 6 ? 40 : 20;
        foreach (int offset in at)
        {
            changed[network + offset] = at.Length > 1 ? (byte)0 : (byte)(changed[network + offset] ^ 2);
        }

        if (at.Length == 1)
        {
            // The checksum follows the change, so that only the change keeps the packets apart.
            TestPackets.FixChecksum(changed, network);
            Assert.True(TestPackets.IsValid(changed));
        }

        return changed;
    }

    private static byte[] Corrupt(byte[] packet)
    {
        byte[] bad = [.. packet];
        bad[^1] ^= 0x10;
        return bad;
    }

    private static List<byte[]> Train(int version, byte[] payload, int size, int port = 4000, bool push = true)
    {
        byte[] super = TestPackets.Tcp(version, payload[..Math.Min(payload.Length, 65_000)], sourcePort: port);
        int network = version == 6 ? 40 : 20;
        if (payload.Length <= 65_000)
        {
            super[network + 13] |= push ? TestPackets.Psh : (byte)0;
            return TestPackets.Segments(super, new SegmentLayout(
                version == 6 ? SegmentKind.TcpIpv6 : SegmentKind.TcpIpv4, network, network + 32, size));
        }

        List<byte[]> packets = [];
        for (int i = 0; i < payload.Length; i += size)
        {
            packets.Add(TestPackets.Tcp(
                version, payload[i..Math.Min(payload.Length, i + size)], (uint)(1000 + i), id: (ushort)(packets.Count + 9), sourcePort: port));
        }

        return packets;
    }

    private static IEnumerable<byte[]> RandomFlow(Random random, int port)
    {
        int version = random.Next(2) == 0 ? 4 : 6;
        bool isUdp = random.Next(3) == 0;
        bool counts = random.Next(2) == 0;
        bool atomic = random.Next(2) == 0;
        int size = random.Next(1, 1400);
        uint seq = (uint)random.NextInt64(uint.MaxValue);
        ushort id = (ushort)random.Next(ushort.MaxValue);
        for (int i = random.Next(1, 200); i > 0; i--)
        {
            int kind = random.Next(40);
            byte[] payload = TestPackets.Random(random, kind == 0 ? random.Next(1400) : size);
            byte flags = kind switch { 1 => TestPackets.Ack | TestPackets.Psh, 2 => TestPackets.Ack | TestPackets.Fin, 3 => TestPackets.Syn, _ => TestPackets.Ack };
            byte[] packet = isUdp
                ? TestPackets.Udp(version, payload, id, atomic, port)
                : TestPackets.Tcp(version, payload, seq, flags, id: id, dontFragment: atomic, sourcePort: port);
            seq += (uint)payload.Length + (kind == 4 ? 1u : 0);
            id += counts ? (ushort)1 : (ushort)0;
            yield return kind == 5 ? Corrupt(packet) : packet;
        }
    }

    private void AssertSameByFlow(List<byte[]> packets)
    {
        Assert.Equal(packets.Count, _sink.Packets.Count);
        ILookup<string, byte[]> sent = packets.ToLookup(Flow);
        foreach (IGrouping<string, byte[]> flow in _sink.Packets.GroupBy(Flow))
        {
            Assert.Equal(sent[flow.Key].Select(Neutral), flow.Select(Neutral));
        }
    }

    private static string Flow(byte[] packet) =>
        packet[0] >> 4 == 4 ? $"4 {packet[9]} {packet[20]} {packet[21]}" : $"6 {packet[6]} {packet[40]} {packet[41]}";

    /// <summary>Without the identification where it has no meaning (DF).</summary>
    private static byte[] Neutral(byte[] packet)
    {
        if (packet[0] >> 4 == 4 && (packet[6] & 0x40) != 0)
        {
            packet = [.. packet];
            packet.AsSpan(4, 2).Clear();
            packet.AsSpan(10, 2).Clear();
        }

        return packet;
    }

    private PacketBuffer Buffer(byte[] packet)
    {
        PacketBuffer buffer = _pool.Rent();
        Assert.True(buffer.TryAssign(packet));
        _rented.Add(buffer);
        return buffer;
    }

    private void Flush()
    {
        _merger.Flush();
        _rented.ForEach(_pool.Return);
        _rented.Clear();
    }

    private void Add(IEnumerable<byte[]> packets, bool tcp = true, bool udp = true)
    {
        foreach (byte[] packet in packets)
        {
            PacketBuffer buffer = Buffer(packet);
            _merger.Add(buffer, buffer.Offset, buffer.Length, tcp, udp);
        }
    }
}
