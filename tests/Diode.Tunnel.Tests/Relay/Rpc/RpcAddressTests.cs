using System.Net;
using Diode.Tunnel.Relay.Rpc;
using Diode.Tunnel.Testing;
using Diode.Tunnel.Testing.Relay;
using Xunit;

namespace Diode.Tunnel.Tests.Relay.Rpc;

public sealed class RpcAddressTests
{
    private readonly ManualTimeProvider _time = new(DateTimeOffset.FromUnixTimeMilliseconds(RelayWorld.StartMs));

    [Fact]
    public void An_address_has_so_many_connections()
    {
        var table = new RpcAddressTable(_time);
        RpcAddress? last = null;
        for (int i = 0; i < RpcLimits.MaxConnectionsPerAddress; i++)
        {
            last = table.TryEnter(IPAddress.Parse($"2001:db8::{i + 1:x}"));
            Assert.NotNull(last);
        }

        Assert.Null(table.TryEnter(IPAddress.Parse("2001:db8::ffff:1")));
        Assert.NotNull(table.TryEnter(IPAddress.Parse("2001:db8:0:1::1")));
        table.Leave(last!);
        Assert.NotNull(table.TryEnter(IPAddress.Parse("2001:db8::ffff:1")));
        Assert.Same(table.TryEnter(IPAddress.Parse("10.0.0.1")), table.TryEnter(IPAddress.Parse("::ffff:10.0.0.1")));
    }

    [Fact]
    public void Coming_back_does_not_refill_what_was_used_up()
    {
        var table = new RpcAddressTable(_time);
        RpcAddress first = table.TryEnter(IPAddress.Loopback)!;
        Assert.True(first.TryTake(RpcLimits.RequestBurst));
        table.Leave(first);
        RpcAddress second = table.TryEnter(IPAddress.Loopback)!;
        Assert.False(second.TryTake(1));
        table.Leave(second);
        _time.Advance(TimeSpan.FromMinutes(2));
        table.Tick(_time.GetUtcNow().ToUnixTimeMilliseconds());
        Assert.NotSame(second, table.TryEnter(IPAddress.Loopback));
    }

    [Fact]
    public void Memory_is_taken_and_given_back()
    {
        var budget = new RpcBudget(100);
        Assert.True(budget.TryTake(60));
        Assert.False(budget.TryTake(41));
        Assert.True(budget.TryTake(40));
        budget.Return(100);
        Assert.Equal(0, budget.Taken);
    }
}
