using Diode.Tunnel.Daemon.Hosting;
using Xunit;

namespace Diode.Tunnel.Tests.Daemon;

public class MemoryServiceTests
{
    [Theory]
    [InlineData(60, 40, true)]
    [InlineData(43, 40, false)]
    [InlineData(30, 40, false)]
    public void Memory_is_given_back_when_there_is_some(int megabytes, int lowest, bool expected)
    {
        Assert.Equal(expected, MemoryService.HasGrown((long)megabytes << 20, (long)lowest << 20));
    }

    [Theory]
    [InlineData(0.01, true)]
    [InlineData(0.03, false)]
    [InlineData(2, false)]
    public void The_heap_waits_until_nobody_is_held_up(double share, bool expected)
    {
        TimeSpan interval = TimeSpan.FromSeconds(15);
        Assert.Equal(expected, MemoryService.IsIdle(interval * share, interval));
    }
}
