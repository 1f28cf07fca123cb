using Diode.Tunnel.Engine.Relays;
using Diode.Tunnel.Testing;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.Relays;

public class WaitingDatagramsTests
{
    private readonly ManualTimeProvider _time = new(DateTimeOffset.UnixEpoch);

    [Fact]
    public void Old_ones_are_dropped_and_counted_young_ones_come_in_order()
    {
        WaitingDatagrams waiting = new(_time, TimeSpan.FromMilliseconds(40));
        for (byte i = 0; i < 6; i++)
        {
            waiting.Add(default, new byte[] { i, i });
            _time.Advance(TimeSpan.FromMilliseconds(10));
        }

        // They are 60, 50, 40 ... 10 ms old.
        Assert.Equal(12, waiting.Bytes);
        List<byte> taken = [];
        while (waiting.TryTake(out _, out ReadOnlySpan<byte> data))
        {
            Assert.Equal(2, data.Length);
            taken.Add(data[0]);
        }

        Assert.Equal([2, 3, 4, 5], taken);
        Assert.Equal(2, waiting.Expired);
        Assert.True(waiting.IsEmpty);
        Assert.Equal(0, waiting.Bytes);
    }

    [Fact]
    public void Waiting_allocates_nothing_in_the_long_run()
    {
        WaitingDatagrams waiting = new(_time, TimeSpan.FromMilliseconds(40));
        byte[] data = new byte[16_000];
        void Pass()
        {
            for (int round = 0; round < 100; round++)
            {
                for (int i = 0; i < 8; i++)
                {
                    waiting.Add(default, data);
                }

                while (waiting.TryTake(out _, out _))
                {
                }
            }
        }

        Pass();
        Assert.Equal(0, AllocationProbe.Fewest(Pass));
    }
}
