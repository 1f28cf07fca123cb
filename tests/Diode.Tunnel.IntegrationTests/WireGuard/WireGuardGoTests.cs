using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.WireGuard;

/// <summary>
/// The course both roles go through against the real wireguard-go: echo over IPv4 and IPv6, 60 s of TCP, then echo
/// without a single loss across the rekey that is due 120 s after the first handshake. About 130 s, in which little happens: both roles
/// run side by side.
/// </summary>
public sealed class WireGuardGoTests
{
    private const int SecondsPerDirection = 30;
    private const double MinimumMbitPerSecond = 20;
    private static readonly TimeSpan RekeyAfterTime = TimeSpan.FromSeconds(120);
    private static readonly TimeSpan BehindTheRekey = RekeyAfterTime + TimeSpan.FromSeconds(6);

    [Fact]
    public Task Carries_traffic_across_a_rekey_in_either_role()
    {
        return Task.WhenAll(
            Task.Run(static () => CarriesTrafficAcrossARekey(weInitiate: true)),
            Task.Run(static () => CarriesTrafficAcrossARekey(weInitiate: false)));
    }

    private static void CarriesTrafficAcrossARekey(bool weInitiate)
    {
        using WireGuardLink link = new(weInitiate);
        string initiator = weInitiate ? "ours" : "theirs";
        string initiatorsTarget = weInitiate ? WireGuardLink.TheirIpv4 : WireGuardLink.OurIpv4;

        Assert.Equal(0, link.Ping(initiator, initiatorsTarget, 5));
        long established = Stopwatch.GetTimestamp();
        long firstHandshake = link.TheirLatestHandshake;
        Assert.NotEqual(0, firstHandshake);
        Assert.Equal(0, link.Ping("ours", WireGuardLink.TheirIpv4, 20, 0.02));
        Assert.Equal(0, link.Ping("ours", WireGuardLink.TheirIpv6, 20, 0.02));

        link.Net.Start("theirs", "iperf3", "-s");
        link.Net.WaitUntil("iperf3 listens", TimeSpan.FromSeconds(5), () => ListensOnIperfPort(link));
        Assert.True(MeasureTcp(link) > MinimumMbitPerSecond, "ours to theirs is too slow to be right");
        Assert.True(MeasureTcp(link, "-R") > MinimumMbitPerSecond, "theirs to ours is too slow to be right");

        int lost = 0;
        while (Stopwatch.GetElapsedTime(established) < BehindTheRekey)
        {
            lost += link.Ping("ours", WireGuardLink.TheirIpv4, 50, 0.05);
        }

        Assert.Equal(0, lost);
        Assert.True(link.OurHandshakes >= 2, $"diode-wg saw {link.OurHandshakes} handshakes\n{link.Net.Logs()}");
        long between = link.TheirLatestHandshake - firstHandshake;
        Assert.InRange(between, 115, 130);
        Assert.False(link.Ours.HasExited);
    }

    private static bool ListensOnIperfPort(WireGuardLink link) =>
        link.Net.Run("theirs", "ss", "-Hltn", "sport = :5201").Output.Contains("5201", StringComparison.Ordinal);

    private static double MeasureTcp(WireGuardLink link, params string[] options)
    {
        string seconds = SecondsPerDirection.ToString(CultureInfo.InvariantCulture);
        string json = link.Net.Check("ours", ["iperf3", "-J", "-c", WireGuardLink.TheirIpv4, "-t", seconds, .. options]);
        using JsonDocument document = JsonDocument.Parse(json);
        return document.RootElement.GetProperty("end").GetProperty("sum_received").GetProperty("bits_per_second").GetDouble() / 1e6;
    }
}
