using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Security.Cryptography;
using Diode.Tunnel.IntegrationTests.Namespaces;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Sockets;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.Platform;

/// <summary>UDP channels over cables: A – router – B, where the second cable carries 1,300 bytes.</summary>
public sealed class UdpChannelNetworkTests : IDisposable
{
    private readonly NetNamespace _a = new();
    private readonly NetNamespace _router = new();
    private readonly NetNamespace _b = new();

    public UdpChannelNetworkTests()
    {
        _a.Connect("eth0", "198.18.1.2/24", _router, "left", "198.18.1.1/24");
        _b.Connect("eth0", "198.18.2.2/24", _router, "right", "198.18.2.1/24");
        _a.Exec("ip address add fd00:1::2/64 dev eth0 nodad && ip route add default via 198.18.1.1");
        _b.Exec("ip address add fd00:2::2/64 dev eth0 nodad && ip route add default via 198.18.2.1 && ip link set eth0 mtu 1300");
        _router.Exec("ip address add fd00:1::1/64 dev left nodad && ip address add fd00:2::1/64 dev right nodad && ip link set right mtu 1300");
        _router.Exec("echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding");
        _a.Exec("ip -6 route add default via fd00:1::1");
        _b.Exec("ip -6 route add default via fd00:2::1");
    }

    [Theory]
    [InlineData(AddressFamily.InterNetwork, "198.18.2.2")]
    [InlineData(AddressFamily.InterNetworkV6, "[fd00:2::2]")]
    public void What_a_router_reports_as_too_big_is_told_with_its_mtu(AddressFamily family, string address)
    {
        UdpChannelOptions options = new() { Fragments = FragmentPolicy.Probe, ReportTooBig = true };
        using UdpChannel sender = _a.Run(() => UdpChannel.Bind(family, 0, options));
        using UdpChannel receiver = _b.Run(() => UdpChannel.Bind(family, 0, options));
        Assert.True(EndpointAddress.TryParse($"{address}:{receiver.Port}", out EndpointAddress to));
        using BlockingCollection<(EndpointAddress To, int Mtu)> reports = [];
        sender.TooBig += (receiverAddress, mtu) => reports.Add((receiverAddress, mtu));
        Thread reader = new(() =>
        {
            DatagramBatch batch = new(new PacketPool());
            while (sender.Receive(batch) > 0)
            {
            }
        });
        reader.Start();

        Assert.True(sender.Send(in to, new byte[1400]));
        Assert.True(reports.TryTake(out (EndpointAddress To, int Mtu) report, 5000));
        Assert.Equal((to, 1300), report);

        // The same for a train, which leaves whole and is cut before it is refused.
        Assert.True(sender.Send(in to, new byte[14_000], 1400));
        Assert.True(reports.TryTake(out report, 5000));
        Assert.Equal((to, 1300), report);

        // Longer than the first cable carries: known at once, and trains go on.
        Assert.False(sender.Send(in to, new byte[1600]));
        Assert.True(reports.TryTake(out report, 5000));
        Assert.Equal(to, report.To);
        Assert.False(sender.Send(in to, new byte[6400], 1600));
        Assert.Equal(UdpOffloads.All, sender.Active);
        AssertArrives(sender, receiver, in to, 1200);
        sender.Stop();
        Assert.True(reader.Join(5000));
    }

    [Fact]
    public void Datagrams_that_may_be_fragmented_pass_a_narrow_path()
    {
        UdpChannelOptions options = new() { Fragments = FragmentPolicy.Fragment };
        using UdpChannel sender = _a.Run(() => UdpChannel.Bind(AddressFamily.InterNetwork, 0, options));
        using UdpChannel receiver = _b.Run(() => UdpChannel.Bind(AddressFamily.InterNetwork, 0, options));
        Assert.True(EndpointAddress.TryParse($"198.18.2.2:{receiver.Port}", out EndpointAddress to));
        AssertArrives(sender, receiver, in to, 1400);
        AssertArrives(sender, receiver, in to, 4000);
    }

    [Fact]
    public void A_way_out_without_checksum_or_segmentation_offload_carries_trains()
    {
        _a.Exec("ethtool -K eth0 tx off tso off gso off");
        _router.Exec("ethtool -K right tx off gso off gro off; ethtool -K left gro off");
        UdpChannelOptions options = new() { Fragments = FragmentPolicy.Probe };
        using UdpChannel sender = _a.Run(() => UdpChannel.Bind(AddressFamily.InterNetwork, 0, options));
        using UdpChannel receiver = _b.Run(() => UdpChannel.Bind(AddressFamily.InterNetwork, 0, options));
        Assert.True(EndpointAddress.TryParse($"198.18.2.2:{receiver.Port}", out EndpointAddress to));
        for (int i = 0; i < 20; i++)
        {
            AssertArrives(sender, receiver, in to, 1200);
        }
    }

    [Fact]
    public void Without_a_route_and_with_a_filter_datagrams_are_counted_as_lost()
    {
        using UdpChannel sender = _a.Run(() => UdpChannel.Bind(AddressFamily.InterNetwork));
        Assert.True(EndpointAddress.TryParse("198.18.2.2:9", out EndpointAddress to));
        Assert.True(sender.Send(in to, new byte[5000], 1000));
        _a.Exec("ip route del default");
        Assert.False(sender.Send(in to, new byte[5000], 1000));
        Assert.Equal(5, sender.SendDrops);
        _a.Exec("ip route add default via 198.18.1.1");
        Assert.True(sender.Send(in to, new byte[5000], 1000));
        _a.Exec("ip link set eth0 down");
        Assert.False(sender.Send(in to, new byte[100]));
        Assert.Equal(UdpOffloads.All, sender.Active);
    }

    public void Dispose()
    {
        _a.Dispose();
        _router.Dispose();
        _b.Dispose();
    }

    private static void AssertArrives(UdpChannel sender, UdpChannel receiver, in EndpointAddress to, int size)
    {
        byte[] train = RandomNumberGenerator.GetBytes((10 * size) + 50);
        Assert.True(sender.Send(in to, train, size));
        DatagramBatch batch = new(new PacketPool());
        List<byte> bytes = [];
        using Timer limit = new(_ => receiver.Stop(), null, 20_000, Timeout.Infinite);
        while (bytes.Count < train.Length)
        {
            int count = receiver.Receive(batch);
            Assert.NotEqual(0, count);
            for (int i = 0; i < count; i++)
            {
                bytes.AddRange(batch.Buffer(i).Span);
            }
        }

        Assert.Equal(train, bytes);
    }
}
