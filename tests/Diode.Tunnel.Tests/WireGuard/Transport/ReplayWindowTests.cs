using Diode.Tunnel.WireGuard;
using Diode.Tunnel.WireGuard.Transport;
using Xunit;

namespace Diode.Tunnel.Tests.WireGuard.Transport;

public class ReplayWindowTests
{
    [Fact]
    public void TryAccept_rejects_a_repeated_counter()
    {
        ReplayWindow window = new();
        Assert.True(window.TryAccept(0));
        Assert.False(window.TryAccept(0));
        Assert.True(window.TryAccept(1));
        Assert.True(window.TryAccept(9));
        Assert.True(window.TryAccept(8));
        Assert.False(window.TryAccept(9));
        Assert.False(window.TryAccept(8));
    }

    [Fact]
    public void TryAccept_keeps_at_least_8128_counters()
    {
        Assert.True(ReplayWindow.Size >= 8128);
        ReplayWindow window = new();
        ulong greatest = 100_000;
        Assert.True(window.TryAccept(greatest));
        Assert.True(window.TryAccept(greatest - ReplayWindow.Size));
        Assert.False(window.TryAccept(greatest - ReplayWindow.Size));
        Assert.False(window.TryAccept(greatest - ReplayWindow.Size - 1));
    }

    [Fact]
    public void TryAccept_survives_jumps_and_the_last_counters()
    {
        ReplayWindow window = new();
        Assert.True(window.TryAccept(5));
        Assert.True(window.TryAccept(1UL << 40));
        Assert.False(window.TryAccept(5));
        Assert.True(window.TryAccept(WireGuardConstants.RejectAfterMessages - 1));
        Assert.False(window.TryAccept(WireGuardConstants.RejectAfterMessages - 1));
        Assert.False(window.TryAccept(WireGuardConstants.RejectAfterMessages));
        Assert.False(window.TryAccept(ulong.MaxValue));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void TryAccept_agrees_with_a_set_on_random_counters(int seed)
    {
        Random random = new(seed);
        ReplayWindow window = new();
        HashSet<ulong> seen = [];
        ulong greatest = 0;
        ulong centre = 0;
        for (int i = 0; i < 50_000; i++)
        {
            centre += (ulong)(random.Next(100) == 0 ? random.Next(20_000) : random.Next(4));
            ulong counter = centre + 10_000 - (ulong)random.Next(10_000);
            bool expected = (counter > greatest || greatest - counter <= ReplayWindow.Size) && seen.Add(counter);
            Assert.Equal(expected, window.TryAccept(counter));
            greatest = expected ? Math.Max(greatest, counter) : greatest;
        }
    }
}
