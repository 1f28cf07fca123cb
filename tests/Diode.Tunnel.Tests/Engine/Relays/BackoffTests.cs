using Diode.Tunnel.Engine.Relays;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.Relays;

public class BackoffTests
{
    [Fact]
    public void Delays_double_up_to_the_most_with_jitter()
    {
        Backoff backoff = new(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(10));
        foreach (double expected in new double[] { 1, 2, 4, 8, 10, 10 })
        {
            Assert.InRange(backoff.Next().TotalSeconds, expected * 0.75, expected * 1.25);
        }

        Assert.Equal(6, backoff.Failures);
        backoff.Reset();
        Assert.Equal(0, backoff.Failures);
        Assert.InRange(backoff.Next().TotalSeconds, 0.75, 1.25);
    }

    [Fact]
    public void Devices_do_not_come_back_in_step()
    {
        HashSet<TimeSpan> delays = [.. Enumerable.Range(0, 50).Select(static _ => new Backoff(TimeSpan.FromSeconds(8), TimeSpan.FromSeconds(8)).Next())];
        Assert.True(delays.Count > 10);
    }

    [Fact]
    public void Many_failures_do_not_overflow()
    {
        Backoff backoff = new(TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(1));
        for (int i = 0; i < 10_000; i++)
        {
            Assert.InRange(backoff.Next(), TimeSpan.FromSeconds(0.7), TimeSpan.FromSeconds(76));
        }
    }
}
