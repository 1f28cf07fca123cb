using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Sockets;
using Diode.Tunnel.Platform.Tun.Offload;
using Xunit;

namespace Diode.Tunnel.Tests.Platform;

public sealed class OffloadSwitchesTests
{
    [Theory]
    [InlineData(null, TunOffloads.All, UdpOffloads.All)]
    [InlineData("", TunOffloads.All, UdpOffloads.All)]
    [InlineData("all", TunOffloads.All, UdpOffloads.All)]
    [InlineData("none", TunOffloads.None, UdpOffloads.None)]
    [InlineData("None, udp-merge", TunOffloads.None, UdpOffloads.Merge)]
    [InlineData("tun-tcp,udp-segment", TunOffloads.TcpSegmentation, UdpOffloads.Segmentation)]
    [InlineData("-tun-udp,-udp-merge", TunOffloads.All & ~TunOffloads.UdpSegmentation, UdpOffloads.Segmentation)]
    [InlineData("all,-tun-merge", TunOffloads.All & ~TunOffloads.ReceiveMerge, UdpOffloads.All)]
    public void A_list_is_read_from_left_to_right(string? text, TunOffloads tun, UdpOffloads udp)
    {
        Assert.True(OffloadSwitches.TryParse(text, out OffloadSwitches switches));
        Assert.Equal(new OffloadSwitches(tun, udp), switches);
    }

    [Fact]
    public void Unknown_words_are_told_and_ignored()
    {
        Assert.False(OffloadSwitches.TryParse("warp,-udp-merge", out OffloadSwitches switches));
        Assert.Equal(new OffloadSwitches(TunOffloads.All, UdpOffloads.Segmentation), switches);
    }
}
