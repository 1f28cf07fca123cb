using Diode.Tunnel.Engine.Relays;
using Diode.Tunnel.Testing;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.Relays;

public class SendBudgetTests
{
    private const int Minimum = 96 * 1024;

    private readonly ManualTimeProvider _time = new(DateTimeOffset.UnixEpoch);

    [Fact]
    public void A_slow_or_unknown_link_may_hold_one_burst()
    {
        SendBudget budget = new(_time);
        Assert.Equal(Minimum, budget.Limit);
        Drain(budget, 1000, windows: 5);
        Assert.Equal(Minimum, budget.Limit);
    }

    [Fact]
    public void A_fast_link_may_hold_what_leaves_in_the_time_limit()
    {
        SendBudget budget = new(_time);
        Drain(budget, 1_000_000, windows: 1); // 10 MB/s
        Assert.InRange(budget.Limit, 395_000, 400_000);
        Drain(budget, 100_000_000, windows: 1);
        Assert.Equal(2 * 1024 * 1024, budget.Limit);
    }

    [Fact]
    public void A_pause_does_not_make_the_link_look_slow_at_once()
    {
        SendBudget budget = new(_time);
        Drain(budget, 1_000_000, windows: 1);
        int fast = budget.Limit;
        Drain(budget, 0, windows: 1);
        Assert.InRange(budget.Limit, fast * 89 / 100, fast * 91 / 100);
        Drain(budget, 0, windows: 50);
        Assert.Equal(Minimum, budget.Limit);
    }

    private void Drain(SendBudget budget, int bytes, int windows)
    {
        for (int i = 0; i < windows; i++)
        {
            _time.Advance(TimeSpan.FromMilliseconds(101));
            budget.Drained(bytes);
        }
    }
}
