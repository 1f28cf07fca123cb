using Diode.Tunnel.WireGuard.Cookies;
using Xunit;

namespace Diode.Tunnel.Tests.WireGuard.Cookies;

public class HandshakeRateLimiterTests
{
    private static readonly byte[] Source = [192, 0, 2, 1, 0, 80];

    [Fact]
    public void TryTake_allows_a_burst_of_5_and_then_20_a_second()
    {
        HandshakeRateLimiter limiter = new();
        Assert.Equal(HandshakeRateLimiter.Burst, Enumerable.Range(0, 100).Count(_ => limiter.TryTake(Source, 0)));
        int taken = 0;
        for (long ms = 1; ms <= 10_000; ms++)
        {
            taken += limiter.TryTake(Source, ms * TimeSpan.TicksPerMillisecond) ? 1 : 0;
        }

        Assert.InRange(taken, 199, 201);
    }

    [Fact]
    public void TryTake_ignores_the_port_and_the_lower_half_of_ipv6()
    {
        HandshakeRateLimiter limiter = new();
        byte[] ipv6 = new byte[18];
        int taken = 0;
        for (byte i = 0; i < 50; i++)
        {
            ipv6[10] = ipv6[17] = i;
            taken += limiter.TryTake(ipv6, 0) ? 1 : 0;
        }

        Assert.Equal(HandshakeRateLimiter.Burst, taken);
        ipv6[7] = 1;
        Assert.True(limiter.TryTake(ipv6, 0));
        Assert.Equal(5, Enumerable.Range(0, 50).Count(i => limiter.TryTake([192, 0, 2, 7, 0, (byte)i], 0)));
    }

    [Fact]
    public void TryTake_remembers_a_bounded_number_of_sources_and_forgets_idle_ones()
    {
        HandshakeRateLimiter limiter = new();
        int taken = Enumerable.Range(0, 20_000).Count(i => limiter.TryTake(BitConverter.GetBytes(i), 0));
        Assert.Equal(HandshakeRateLimiter.MaxSources, taken);
        Assert.True(limiter.TryTake(BitConverter.GetBytes(30_000), 2 * TimeSpan.TicksPerSecond));
    }

    [Fact]
    public void Load_begins_above_the_threshold_and_lasts_a_second()
    {
        HandshakeLoad load = new(3);
        Assert.Equal([false, false, false, true], Enumerable.Range(0, 4).Select(_ => load.Register(0)));
        Assert.True(load.Register(TimeSpan.TicksPerSecond - 1));
        Assert.False(load.Register(3 * TimeSpan.TicksPerSecond));
    }
}
