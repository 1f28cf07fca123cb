using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Diode.Tunnel.IntegrationTests.Namespaces;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Sockets;
using Diode.Tunnel.Platform.Tun;
using Diode.Tunnel.Platform.Tun.Offload;
using Diode.Tunnel.Testing;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.Platform;

public sealed class TunOffloadTests
{
    private const int TransferLength = 16 * 1024 * 1024;

    [Theory]
    [InlineData(TunOffloads.None)]
    [InlineData(TunOffloads.TcpSegmentation)]
    [InlineData(TunOffloads.ReceiveMerge)]
    [InlineData(TunOffloads.UdpSegmentation | TunOffloads.ReceiveMergeUdp)]
    [InlineData(TunOffloads.All)]
    public void Tcp_carries_the_same_bytes_in_both_directions_with_every_switch(TunOffloads offloads)
    {
        using TunBridge bridge = new(offloads);
        Assert.Equal(offloads, bridge.TapA.Active);
        Assert.Contains("3 received", bridge.A.Exec($"ping -n -c 3 -i 0.05 -W 2 {TunBridge.AddressB}"), StringComparison.Ordinal);
        Assert.Contains("3 received", bridge.A.Exec($"ping -n -c 3 -i 0.05 -W 2 -s 8000 {TunBridge.Address6B}"), StringComparison.Ordinal);
        foreach ((string server, string client) in new[] { (TunBridge.AddressB, TunBridge.AddressA), (TunBridge.Address6B, TunBridge.Address6A) })
        {
            Transfer(bridge, IPAddress.Parse(server));
        }

        bool segments = offloads.HasFlag(TunOffloads.TcpSegmentation);
        Assert.Equal(segments, bridge.SuperPackets > 500);
        bool merges = offloads.HasFlag(TunOffloads.ReceiveMerge);
        long received = TunBridge.Received(bridge.A) + TunBridge.Received(bridge.B);
        Assert.True(merges ? received < bridge.Packets / 3 : received > bridge.Packets - 100, $"{received} of {bridge.Packets}");
        Assert.Equal((0, 0), (bridge.TapA.WriteDrops, bridge.TapB.WriteDrops));
        Assert.Equal((0, 0), (bridge.TapA.ReadDrops, bridge.TapB.ReadDrops));
        Assert.Equal(offloads, bridge.TapB.Active);
    }

    [Theory]
    [InlineData(TunOffloads.None)]
    [InlineData(TunOffloads.UdpSegmentation)]
    [InlineData(TunOffloads.ReceiveMergeUdp)]
    [InlineData(TunOffloads.All)]
    public void Udp_trains_arrive_as_the_same_datagrams(TunOffloads offloads)
    {
        using TunBridge bridge = new(offloads);
        UdpChannelOptions options = new() { Mark = 0 };
        foreach ((AddressFamily family, string address) in new[]
        {
            (AddressFamily.InterNetwork, TunBridge.AddressB), (AddressFamily.InterNetworkV6, TunBridge.Address6B),
        })
        {
            using UdpChannel sender = bridge.A.Run(() => UdpChannel.Bind(family, 0, options));
            using UdpChannel receiver = bridge.B.Run(() => UdpChannel.Bind(family, 0, options));
            Assert.True(EndpointAddress.TryFrom(new IPEndPoint(IPAddress.Parse(address), receiver.Port), out EndpointAddress to));
            foreach ((int size, int length) in new[] { (1000, 1), (1300, 30 * 1300), (64, (100 * 64) + 9), (500, 64_000) })
            {
                byte[] train = RandomNumberGenerator.GetBytes(length);
                Assert.True(sender.Send(in to, train, size));
                Assert.Equal(train, Collect(receiver, length, size));
            }
        }

        Assert.Equal(offloads.HasFlag(TunOffloads.UdpSegmentation), bridge.SuperPackets > 0);
        Assert.True(offloads != TunOffloads.All || TunBridge.Received(bridge.B) < 80, $"{TunBridge.Received(bridge.B)}");
        Assert.Equal(0, bridge.TapB.WriteDrops);
    }

    [Fact]
    public void Carrying_super_packets_allocates_nothing()
    {
        using TunBridge bridge = new(TunOffloads.All, pump: false);
        using ITunWriter toB = bridge.TapB.CreateWriter();
        Thread back = new(() =>
        {
            using ITunWriter writer = bridge.TapA.CreateWriter();
            PacketBatch replies = bridge.CreateBatch();
            PacketBuffer[] room = bridge.RentSegments();
            while (bridge.Carry(bridge.TapB, writer, replies, room) > 0)
            {
            }
        });
        back.Start();
        using Socket listener = bridge.B.Run(() => Listen(IPAddress.Parse(TunBridge.AddressB)));
        Thread sink = new(() =>
        {
            using Socket accepted = listener.Accept();
            byte[] buffer = new byte[65_536];
            while (accepted.Receive(buffer) > 0)
            {
            }
        });
        sink.Start();
        Thread source = new(() =>
        {
            using Socket client = bridge.A.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
            client.Connect(listener.LocalEndPoint!);
            byte[] bytes = new byte[65_536];
            for (int i = 0; i < 1000; i++)
            {
                client.Send(bytes);
            }
        });
        source.Start();
        // When both programs are done nothing more is to be read.
        Thread end = new(() =>
        {
            source.Join();
            sink.Join();
            bridge.TapA.Stop();
        });
        end.Start();
        PacketBatch batch = bridge.CreateBatch();
        PacketBuffer[] segments = bridge.RentSegments();
        Pump(10_000);
        Assert.Equal(0, AllocationProbe.Fewest(() => Pump(4000)));
        Assert.True(bridge.SuperPackets > 100);
        Pump(int.MaxValue);
        end.Join();

        void Pump(int packets)
        {
            for (int carried = 0, last = 1; carried < packets && last > 0; carried += last)
            {
                last = bridge.Carry(bridge.TapA, toB, batch, segments);
            }
        }

        bridge.TapB.Stop();
        back.Join();
    }

    [Fact]
    public void The_test_at_the_start_tells_what_the_kernel_understands()
    {
        using NetNamespace room = new();
        using LinuxTunAdapter adapter = room.Run(
            () => LinuxTunAdapter.Open(new TunOptions { Name = "dtun0", Offloads = TunOffloads.ReceiveMerge }));
        Assert.Equal(TunOffloads.ReceiveMerge, adapter.Active);
        foreach (SegmentKind kind in new[] { SegmentKind.TcpIpv4, SegmentKind.TcpIpv6, SegmentKind.Udp })
        {
            byte[] packet = TunOffloadTest.Build(kind);
            Assert.True(adapter.IsTaken(packet));
            packet[1] = 0x33;
            Assert.False(adapter.IsTaken(packet));
        }
    }

    [Fact]
    public void Merging_ends_when_the_kernel_keeps_refusing()
    {
        using TunBridge bridge = new(TunOffloads.All, pump: false);
        for (int i = 0; i < 8; i++)
        {
            bridge.TapA.CountMerge(SegmentKind.TcpIpv4, isAccepted: false);
        }

        Assert.Equal(TunOffloads.All & ~TunOffloads.ReceiveMerge, bridge.TapA.Active);
        Assert.IsNotType<PlainTunWriter>(bridge.TapA.CreateWriter());
    }

    [Fact]
    public void Small_packets_stay_in_small_buffers_and_super_packets_take_few_large_ones()
    {
        using TunBridge bridge = new(TunOffloads.All, pump: false);
        using UdpChannel sender = bridge.A.Run(() => UdpChannel.Bind(AddressFamily.InterNetwork, 0, new UdpChannelOptions { Mark = 0 }));
        Assert.True(EndpointAddress.TryParse($"{TunBridge.AddressB}:9", out EndpointAddress to));
        PacketBatch batch = bridge.CreateBatch();
        for (int i = 0; i < 30; i++)
        {
            Assert.True(sender.Send(in to, new byte[100]));
            Assert.True(sender.Send(in to, new byte[40_000], 1200));
        }

        int supers = 0;
        int mostLarge = 0;
        for (int datagrams = 0; datagrams < 60;)
        {
            int count = bridge.TapA.Read(batch);
            for (int i = 0; i < count; i++)
            {
                datagrams += batch.Packets[i].Span[0] >> 4 == 4 ? 1 : 0;
                supers += batch.Packets[i].Layout.IsSuperPacket ? 1 : 0;
                Assert.True(batch.Packets[i].Layout.IsSuperPacket || batch.Packets[i].Length < 200);
            }

            mostLarge = Math.Max(mostLarge, batch.Packets.Count(buffer => buffer is { IsLarge: true }));
        }

        Assert.Equal(30, supers);
        Assert.InRange(mostLarge, 1, 2 * PacketBatch.MaxLarge);
    }

    private static void Transfer(TunBridge bridge, IPAddress server)
    {
        using Socket listener = bridge.B.Run(() => Listen(server));
        byte[] up = RandomNumberGenerator.GetBytes(TransferLength);
        byte[] down = RandomNumberGenerator.GetBytes(TransferLength);
        byte[] gotUp = [];
        Thread remote = new(() =>
        {
            using Socket accepted = listener.Accept();
            gotUp = Exchange(accepted, down);
        });
        remote.Start();
        using Socket client = bridge.A.Run(() => new Socket(server.AddressFamily, SocketType.Stream, ProtocolType.Tcp));
        client.Connect(listener.LocalEndPoint!);
        byte[] gotDown = Exchange(client, up);
        Assert.True(remote.Join(TimeSpan.FromSeconds(60)));
        Assert.True(gotUp.AsSpan().SequenceEqual(up));
        Assert.True(gotDown.AsSpan().SequenceEqual(down));
    }

    private static byte[] Exchange(Socket socket, byte[] bytes)
    {
        socket.ReceiveTimeout = 60_000;
        Thread writer = new(() =>
        {
            // Pieces of all sizes, so that segments end in all places.
            for (int sent = 0, piece = 1; sent < bytes.Length; piece = (piece * 7 % 100_003) + 1)
            {
                sent += socket.Send(bytes.AsSpan(sent, Math.Min(piece, bytes.Length - sent)));
            }

            socket.Shutdown(SocketShutdown.Send);
        });
        writer.Start();
        byte[] received = new byte[TransferLength];
        int length = 0;
        for (int got; length < received.Length && (got = socket.Receive(received.AsSpan(length))) > 0; length += got)
        {
        }

        writer.Join();
        return received[..length];
    }

    private static Socket Listen(IPAddress address)
    {
        Socket listener = new(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(address, 0));
        listener.Listen();
        return listener;
    }

    private static byte[] Collect(UdpChannel receiver, int length, int size)
    {
        DatagramBatch batch = new(new PacketPool());
        List<byte> bytes = [];
        using Timer limit = new(_ => receiver.Stop(), null, 20_000, Timeout.Infinite);
        while (bytes.Count < length)
        {
            int count = receiver.Receive(batch);
            Assert.NotEqual(0, count);
            for (int i = 0; i < count; i++)
            {
                int segment = batch.SegmentSize(i);
                Assert.Equal(Math.Min(size, length - bytes.Count), segment == 0 ? batch.Buffer(i).Length : segment);
                bytes.AddRange(batch.Buffer(i).Span);
            }
        }

        return [.. bytes];
    }
}
