using Diode.Tunnel.WireGuard;
using Xunit;

namespace Diode.Tunnel.Tests.WireGuard;

public class TimerQueueTests
{
    [Fact]
    public void TakeDue_agrees_with_a_sorted_list()
    {
        Random random = new(3);
        TimerQueue queue = new();
        PeerTimers[] all = [.. Enumerable.Range(0, 300).Select(_ => new PeerTimers(null!, queue, random.NextBytes))];
        Dictionary<PeerTimers, long> model = [];
        long now = 0;
        for (int step = 0; step < 20_000; step++)
        {
            PeerTimers timers = all[random.Next(all.Length)];
            switch (random.Next(8))
            {
                case 0:
                    queue.Remove(timers);
                    model.Remove(timers);
                    break;
                case 1:
                    now += random.Next(50);
                    while (queue.TakeDue(now) is { } due)
                    {
                        Assert.Equal(model.Values.Min(), model[due]);
                        Assert.True(model.Remove(due, out long at) && at <= now);
                    }

                    break;
                default:
                    long time = now + random.Next(1000);
                    queue.Schedule(timers, time);
                    model[timers] = Math.Min(time, model.GetValueOrDefault(timers, long.MaxValue));
                    break;
            }

            Assert.Equal(model.Count == 0 ? long.MaxValue : model.Values.Min(), queue.NextTimeout);
        }
    }
}
