using System.Buffers.Binary;
using System.Net;
using Diode.Tunnel.Engine.Addressing;
using Diode.Tunnel.Engine.Filtering;
using Diode.Tunnel.Engine.Packets;
using Diode.Tunnel.Engine.Peers;
using Diode.Tunnel.Engine.Pipeline;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Testing;
using Diode.Tunnel.Tests.Engine.Packets;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.Pipeline;

public class PacketPipelineTests : IDisposable
{
    private readonly ManualTimeProvider _time = new(DateTimeOffset.UnixEpoch.AddYears(56));
    private readonly bool _trains;
    private readonly PipelineNode _a;
    private readonly PipelineNode _b;

    public PacketPipelineTests()
        : this(trains: true)
    {
    }

    private protected PacketPipelineTests(bool trains)
    {
        _trains = trains;
        _a = new PipelineNode(PipelineNode.MakeDevice(1), _time, trains: trains);
        _b = new PipelineNode(PipelineNode.MakeDevice(2), _time, trains: trains);
    }

    [Fact]
    public void A_published_port_is_reached_and_answers()
    {
        Connect();
        _b.Publish("22/tcp to fleet\n");
        byte[] syn = PacketBuilder.Tcp(_a.Ipv4, _b.Ipv4, 40000, 22, TcpFlags.Syn);
        Send(_a, syn);
        Assert.Equal(syn, TakeOnly(_b));
        byte[] reply = PacketBuilder.Tcp(_b.Ipv4, _a.Ipv4, 22, 40000, TcpFlags.Syn | TcpFlags.Ack);
        Send(_b, reply);
        Assert.Equal(reply, TakeOnly(_a));
        Assert.Equal((1, 1), (_a.Pipeline.PacketsOut, _a.Pipeline.PacketsIn));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void An_unpublished_port_is_dropped_and_counted(bool ipv6)
    {
        Connect();
        _b.Publish("22/tcp to fleet\n");
        (string from, string to) = ipv6 ? (_a.Ipv6, _b.Ipv6) : (_a.Ipv4, _b.Ipv4);
        Send(_a, PacketBuilder.Tcp(from, to, 40000, 80, TcpFlags.Syn));
        AssertDropped(_b, PipelineDrop.InFiltered);
        Assert.Equal(1, _b.Filter.DropCount(FilterVerdict.NotPublished));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_fleet_member_may_ping(bool ipv6)
    {
        Connect();
        (string a, string b) = ipv6 ? (_a.Ipv6, _b.Ipv6) : (_a.Ipv4, _b.Ipv4);
        byte[] ping = PacketBuilder.Echo(a, b);
        Send(_a, ping);
        Assert.Equal(ping, TakeOnly(_b));
        byte[] pong = PacketBuilder.Echo(b, a, reply: true);
        Send(_b, pong);
        Assert.Equal(pong, TakeOnly(_a));
    }

    [Theory]
    [InlineData("192.168.1.1")]
    [InlineData("100.64.9.9")]
    [InlineData("fd00::1")]
    public void A_programs_packet_with_another_source_stays_here(string source)
    {
        Connect();
        string to = source.Contains(':') ? _b.Ipv6 : _b.Ipv4;
        Send(_a, PacketBuilder.Udp(source, to, 1, 2));
        AssertDropped(_a, PipelineDrop.OutForeignSource);
        AssertNothing(_b);
    }

    [Theory]
    [InlineData("100.64.9.9", false)]
    [InlineData("8.8.8.8", false)]
    [InlineData("2001:db8::1", true)]
    public void A_peers_packet_with_a_spoofed_source_is_dropped(string source, bool ipv6)
    {
        Connect();
        _b.Publish("all to public\n");
        _a.SendUnchecked(_b, PacketBuilder.Udp(source, ipv6 ? _b.Ipv6 : _b.Ipv4, 1, 2));
        Run();
        AssertDropped(_b, PipelineDrop.InForeignSource);
    }

    [Fact]
    public void A_member_can_not_speak_as_another_member()
    {
        using PipelineNode c = new(PipelineNode.MakeDevice(3), _time, trains: _trains);
        Connect();
        PipelineNode.Connect(_a, c);
        _b.Publish("all to public\n");
        c.Add(_b);
        _b.Add(c);
        _a.SendUnchecked(_b, PacketBuilder.Udp(c.Ipv4, _b.Ipv4, 1, 2));
        Run();
        AssertDropped(_b, PipelineDrop.InForeignSource);
    }

    [Theory]
    [InlineData("100.64.9.9")]
    [InlineData("8.8.8.8")]
    [InlineData("192.168.0.1")]
    [InlineData("127.0.0.1")]
    public void A_peers_packet_to_somebody_else_is_dropped(string destination)
    {
        Connect();
        _b.Publish("all to public\n");
        _a.SendUnchecked(_b, PacketBuilder.Udp(_a.Ipv4, destination, 1, 2));
        Run();
        AssertDropped(_b, PipelineDrop.InForeignDestination);
    }

    [Fact]
    public void With_another_pool_packets_are_translated_both_ways()
    {
        Assert.True(AddressPool.TryParse("10.77.0.0/16", out AddressPool? pool));
        using PipelineNode c = new(PipelineNode.MakeDevice(3), _time, pool, trains: _trains);
        PipelineNode.Connect(_a, c);
        c.Publish("all to fleet\n");
        Assert.StartsWith("10.77.", c.Ipv4, StringComparison.Ordinal);
        foreach (byte[] packet in new[]
        {
            PacketBuilder.Udp(_a.Ipv4, _a.Ipv4Of(c), 5000, 53),
            PacketBuilder.Tcp(_a.Ipv4, _a.Ipv4Of(c), 40000, 22, TcpFlags.Syn),
            PacketBuilder.Echo(_a.Ipv4, _a.Ipv4Of(c)),
        })
        {
            _a.Send(packet);
            PipelineNode.Run(_a, c);
            AssertArrived(TakeOnly(c), c.Ipv4Of(_a), c.Ipv4);
        }

        foreach (byte[] packet in new[]
        {
            PacketBuilder.Udp(c.Ipv4, c.Ipv4Of(_a), 53, 5000),
            PacketBuilder.Tcp(c.Ipv4, c.Ipv4Of(_a), 22, 40000, TcpFlags.Syn | TcpFlags.Ack),
            PacketBuilder.Icmp(c.Ipv4, c.Ipv4Of(_a), 3, 3, PacketBuilder.Udp(c.Ipv4Of(_a), c.Ipv4, 5000, 53)),
        })
        {
            c.Send(packet);
            PipelineNode.Run(_a, c);
            AssertArrived(TakeOnly(_a), _a.Ipv4Of(c), _a.Ipv4);
        }
    }

    [Fact]
    public void Of_two_peers_with_the_same_address_each_gets_its_own_packets()
    {
        (Address first, Address second) = FindCollision();
        using PipelineNode c = new(first, _time, trains: _trains);
        using PipelineNode d = new(second, _time, trains: _trains);
        PipelineNode.Connect(_a, c);
        PipelineNode.Connect(_a, d);
        Assert.Equal(c.Ipv4, d.Ipv4);
        Assert.NotEqual(_a.Ipv4Of(c), _a.Ipv4Of(d));
        foreach (PipelineNode peer in new[] { c, d })
        {
            peer.Publish("53/udp to fleet\n");
            _a.Send(PacketBuilder.Udp(_a.Ipv4, _a.Ipv4Of(peer), 5000, 53));
            PipelineNode.Run(_a, c, d);
            AssertArrived(TakeOnly(peer), _a.Ipv4, peer.Ipv4);
            peer.Send(PacketBuilder.Udp(peer.Ipv4, _a.Ipv4, 53, 5000));
            PipelineNode.Run(_a, c, d);
            AssertArrived(TakeOnly(_a), _a.Ipv4Of(peer), _a.Ipv4);
        }
    }

    [Fact]
    public void Packets_that_wait_for_a_key_follow_when_it_is_there()
    {
        TunnelPeer toB = _a.Add(_b);
        TunnelPeer toA = _b.Add(_a);
        _b.GiveKey(_a);
        _b.Publish("all to fleet\n");
        PipelineNode.Link(_a, toB, _b, toA);
        byte[][] packets = [.. Enumerable.Range(1, 5).Select(i => PacketBuilder.Udp(_a.Ipv4, _b.Ipv4, (ushort)i, 53))];
        foreach (byte[] packet in packets)
        {
            _a.Send(packet);
        }

        Assert.Equal(toB, Assert.Single(_a.Wanted));
        Assert.True(toB.Wanted);
        _a.GiveKey(_b);
        _a.Pipeline.SendWaiting(toB);
        Run();
        Assert.Equal(packets, Take(_b));
        Assert.Equal(0, ((MemoryPath)toB.Path!).Unflushed);
    }

    [Fact]
    public void Only_so_many_packets_wait_and_none_is_leaked()
    {
        TunnelPeer toB = _a.Add(_b);
        for (int i = 0; i < 100; i++)
        {
            _a.Send(PacketBuilder.Udp(_a.Ipv4, _b.Ipv4, (ushort)(i + 1), 53));
        }

        Assert.Equal(68, toB.DroppedPackets);
        Assert.Equal(32 + 1, _a.Pool.Rented); // and the batch's own
        _a.GiveKey(_b);
        _a.Pipeline.SendWaiting(toB);
        Assert.Equal(1, _a.Pool.Rented);
    }

    [Fact]
    public void Without_a_path_packets_are_counted_and_the_peer_is_wanted()
    {
        Connect();
        TunnelPeer toB = _a.PeerOf(_b);
        ((MemoryPath)toB.Path!).IsOpen = false;
        toB.Path = null;
        Send(_a, PacketBuilder.Udp(_a.Ipv4, _b.Ipv4, 1, 2));
        Assert.Equal(1, _a.Pipeline.Drops(PipelineDrop.OutPathFull));
        Assert.Equal(1, toB.DroppedPackets);
        Assert.Contains(toB, _a.Wanted);
    }

    [Fact]
    public void An_address_of_nobody_is_answered_at_once()
    {
        Connect();
        Send(_a, PacketBuilder.Udp(_a.Ipv4, "100.64.9.9", 1, 2));
        AssertUnreachable(TakeOnly(_a), VirtualAddresses.ResolverIpv4);
        Assert.Equal(1, _a.Pipeline.Drops(PipelineDrop.OutNoPeer));
    }

    [Theory]
    [InlineData("224.0.0.251")]
    [InlineData("255.255.255.255")]
    [InlineData("127.0.0.1")]
    public void Multicast_and_loopback_go_nowhere_in_silence(string destination)
    {
        Connect();
        Send(_a, PacketBuilder.Udp(_a.Ipv4, destination, 1, 2));
        AssertDropped(_a, PipelineDrop.OutNotRouted);
    }

    [Fact]
    public void Rubbish_from_either_side_is_counted()
    {
        Connect();
        _a.Send([]);
        _a.Send([0x45, 0, 0]);
        Assert.Equal(2, _a.Pipeline.Drops(PipelineDrop.OutMalformed));
        byte[] packet = PacketBuilder.Udp(_a.Ipv4, _b.Ipv4, 1, 2);
        packet[0] = 0x4F; // header longer than the packet
        _a.SendUnchecked(_b, packet);
        Run();
        Assert.Equal(1, _b.Pipeline.Drops(PipelineDrop.InMalformed) + _b.Pipeline.Drops(PipelineDrop.InRejected));
        AssertNothing(_b);
    }

    [Fact]
    public void A_full_adapter_is_counted()
    {
        Connect();
        _b.Adapter.IsFull = true;
        Send(_a, PacketBuilder.Echo(_a.Ipv4, _b.Ipv4));
        Assert.Equal(1, _b.Pipeline.Drops(PipelineDrop.InAdapterFull));
        Assert.Equal(0, _b.Pipeline.PacketsIn);
    }

    [Fact]
    public void A_replayed_datagram_is_delivered_once()
    {
        Connect();
        _a.Send(PacketBuilder.Echo(_a.Ipv4, _b.Ipv4));
        MemoryPath path = (MemoryPath)_a.PeerOf(_b).Path!;
        path.Send(path.Last);
        Run();
        TakeOnly(_b);
        Assert.Equal(1, _b.Pipeline.Drops(PipelineDrop.InRejected));
    }

    [Fact]
    public void A_removed_peer_gets_nothing_in_although_its_session_lives()
    {
        Connect();
        _b.Pipeline.Snapshot = new PipelineSnapshot(
            AddressBook.Build(_b.Device, [], AddressPool.Default, []), [], null, ExitFamilies.None);
        Send(_a, PacketBuilder.Echo(_a.Ipv4, _b.Ipv4));
        AssertDropped(_b, PipelineDrop.InForeignSource);
    }

    [Fact]
    public async Task The_reader_thread_carries_packets_and_stops()
    {
        Connect();
        _b.Publish("53/udp to fleet\n");
        _a.Pipeline.Start(static e => Assert.Fail(e.Message));
        byte[] packet = PacketBuilder.Udp(_a.Ipv4, _b.Ipv4, 5000, 53);
        _a.Adapter.Inject(packet);
        _a.Adapter.Inject(packet);
        using CancellationTokenSource timeout = new(TimeSpan.FromSeconds(5));
        while (_a.Pipeline.PacketsOut < 2)
        {
            await Task.Delay(1, timeout.Token);
        }

        await _a.Pipeline.StopAsync();
        Run();
        Assert.Equal([packet, packet], Take(_b));
        Assert.Equal(1, _a.Pool.Rented); // the one in which the receiver couples datagrams
    }

    public void Dispose()
    {
        _a.Dispose();
        _b.Dispose();
        GC.SuppressFinalize(this);
    }

    internal static void AssertUnreachable(byte[] answer, PacketAddress from)
    {
        IpPacket packet = PacketBuilder.Parse(answer);
        Assert.Equal(IcmpKind.Error, packet.Icmp);
        Assert.Equal(from, packet.Source);
        Assert.True(PacketBuilder.IsSound(answer));
    }

    private static (Address First, Address Second) FindCollision()
    {
        Dictionary<PacketAddress, Address> seen = [];
        for (int i = 10; ; i++)
        {
            Address device = PipelineNode.MakeDevice(i);
            PacketAddress address = VirtualAddresses.Ipv4(device);
            if (!seen.TryAdd(address, device))
            {
                return (seen[address], device);
            }
        }
    }

    [Fact]
    public void What_is_sent_to_a_peer_that_has_said_goodbye_waits_for_a_new_session()
    {
        Connect();
        _b.Publish("all to fleet\n");
        _time.Advance(TimeSpan.FromSeconds(6));
        _b.PeerOf(_a).Session!.EndSession();
        _a.PeerOf(_b).Session!.EndSession();
        byte[] packet = PacketBuilder.Udp(_a.Ipv4, _b.Ipv4, 1, 2);
        Send(_a, packet);
        Assert.Equal(packet, TakeOnly(_b));
    }

    [Theory]
    [InlineData(false, 1216, 0)]
    [InlineData(false, 1217, 1216)]
    [InlineData(true, 1280, 0)]
    [InlineData(true, 1281, 1280)]
    public void A_sender_is_told_a_narrow_paths_length_but_never_less_than_its_protocol_allows(bool ipv6, int length, int told)
    {
        Connect();
        ((MemoryPath)_a.PeerOf(_b).Path!).MaxDatagram = 1252;
        _time.Advance(TimeSpan.FromSeconds(1));
        byte[] packet = PacketBuilder.Udp(ipv6 ? _a.Ipv6 : _a.Ipv4, ipv6 ? _b.Ipv6 : _b.Ipv4, 1, 2, length - (ipv6 ? 48 : 28));
        if (!ipv6)
        {
            packet[6] = 0x40;
            PacketBuilder.FixHeader(packet);
        }

        Send(_a, packet);
        List<byte[]> replies = Take(_a);
        Assert.Equal(told == 0 ? 0 : 1, replies.Count);
        if (told != 0)
        {
            int at = ipv6 ? 40 + 4 : 20 + 6;
            Assert.Equal(told, ipv6 ? BinaryPrimitives.ReadInt32BigEndian(replies[0].AsSpan(at)) : BinaryPrimitives.ReadUInt16BigEndian(replies[0].AsSpan(at)));
        }
    }

    private static void AssertArrived(byte[] packet, string source, string destination)
    {
        IpPacket parsed = PacketBuilder.Parse(packet);
        Assert.Equal(PacketAddress.From(IPAddress.Parse(source)), parsed.Source);
        Assert.Equal(PacketAddress.From(IPAddress.Parse(destination)), parsed.Destination);
        Assert.True(PacketBuilder.IsSound(packet), "a checksum is wrong");
    }

    private static void AssertDropped(PipelineNode node, PipelineDrop reason)
    {
        AssertNothing(node);
        for (PipelineDrop other = 0; other < PipelineDrop.Count; other++)
        {
            Assert.Equal(other == reason ? 1 : 0, node.Pipeline.Drops(other));
        }
    }

    private static void AssertNothing(PipelineNode node)
    {
        Assert.False(node.Adapter.TryTakeWritten(out _));
    }

    private static byte[] TakeOnly(PipelineNode node)
    {
        return Assert.Single(Take(node));
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

    private void Connect()
    {
        PipelineNode.Connect(_a, _b);
    }

    private void Run()
    {
        PipelineNode.Run(_a, _b);
    }

    private void Send(PipelineNode from, byte[] packet)
    {
        from.Send(packet);
        Run();
    }
}
