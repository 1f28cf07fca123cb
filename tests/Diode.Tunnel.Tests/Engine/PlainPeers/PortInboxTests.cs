using System.IO.Pipelines;
using Diode.Tunnel.Engine.PlainPeers;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.PlainPeers;

public sealed class PortInboxTests
{
    [Fact]
    public async Task Gives_back_what_came_in_and_counts_it()
    {
        InboxBudget budget = new();
        using PortInbox inbox = new(budget);
        inbox.Write([1, 2, 3]);
        inbox.Write([4]);
        Assert.Equal(4, inbox.Kept);
        ReadResult read = await inbox.ReadAsync(default);
        Assert.Equal(4, read.Buffer.Length);
        inbox.Advance(read);
        Assert.Equal(0, inbox.Kept);
        Assert.Equal(0, budget.Total);
        inbox.Close();
        inbox.Write([5]);
        Assert.True((await inbox.ReadAsync(default)).IsCompleted);
        Assert.False(inbox.IsFailed);
    }

    [Fact]
    public async Task A_reader_that_takes_lets_the_session_go_on()
    {
        InboxBudget budget = new();
        using PortInbox inbox = new(budget);
        inbox.Write(new byte[InboxBudget.PortLimit + 1]);
        Assert.True(inbox.IsFull);
        Task<bool> waiting = Task.Run(() => inbox.WaitForRoom(TimeSpan.FromSeconds(30)));
        inbox.Advance(await inbox.ReadAsync(default));
        Assert.True(await waiting);
        Assert.False(inbox.IsFull);
        Assert.Equal(0, budget.Cut);
    }

    [Fact]
    public void A_reader_that_takes_nothing_is_given_up()
    {
        InboxBudget budget = new();
        bool told = false;
        using PortInbox inbox = new(budget) { OnFailed = () => told = true };
        inbox.Write(new byte[InboxBudget.PortLimit + 1]);
        Assert.False(inbox.WaitForRoom(TimeSpan.FromMilliseconds(10)));
        inbox.Fail();
        Assert.True(told);
        Assert.True(inbox.IsFailed);
        Assert.Equal(1, budget.Cut);
    }

    [Fact]
    public void All_ports_together_are_bounded()
    {
        InboxBudget budget = new();
        List<PortInbox> inboxes = [];
        long written = 0;
        while (written <= InboxBudget.TotalLimit)
        {
            PortInbox inbox = new(budget);
            inboxes.Add(inbox);
            inbox.Write(new byte[InboxBudget.PortLimit / 2]);
            Assert.False(written + (InboxBudget.PortLimit / 2) <= InboxBudget.TotalLimit && inbox.IsFull);
            written += InboxBudget.PortLimit / 2;
        }

        Assert.All(inboxes, i => Assert.True(i.IsFull));
        inboxes.ForEach(i => i.Dispose());
        Assert.Equal(0, budget.Total);
    }
}
