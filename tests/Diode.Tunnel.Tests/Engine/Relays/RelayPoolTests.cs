using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Engine.Relays;
using Diode.Tunnel.Engine.Tickets;
using Diode.Tunnel.Ethereum.Crypto;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.Relays;

public sealed class RelayPoolTests
{
    [Fact]
    public void All_of_up_to_five_relays_are_kept_and_the_two_nearest_are_named()
    {
        using var world = new PoolWorld();
        RelayUri[] relays = Configure(world, 3);
        world.Accept(world.SessionOf(relays[0]), 30);
        world.Accept(world.SessionOf(relays[1]), 10);
        world.Accept(world.SessionOf(relays[2]), 20);
        world.Run(61);
        Assert.Equal((relays[1].Address, relays[2].Address), world.Pool.Nearest);
        Assert.All(world.Live, s => Assert.Equal((relays[1].Address, relays[2].Address), s.Named));

        world.Break(world.SessionOf(relays[1]));
        world.Run(0.25);
        Assert.Equal((relays[2].Address, relays[0].Address), world.Pool.Nearest);
    }

    [Fact]
    public void Latencies_are_looked_at_once_a_minute()
    {
        using var world = new PoolWorld();
        RelayUri[] relays = Configure(world, 2);
        FakeRelaySession first = world.Accept(world.SessionOf(relays[0]), 10);
        world.Accept(world.SessionOf(relays[1]), 20);
        world.Run(61);
        first.RoundTrip = TimeSpan.FromMilliseconds(500);
        world.Run(20);
        Assert.Equal(relays[0].Address, world.Pool.Nearest.Primary);
        world.Run(60);
        Assert.Equal(relays[1].Address, world.Pool.Nearest.Primary);
    }

    [Fact]
    public void Of_many_relays_the_nearest_five_win()
    {
        using var world = new PoolWorld();
        RelayUri[] relays = Configure(world, 8);
        for (int minute = 0; minute < 12; minute++)
        {
            for (int i = 0; i < relays.Length; i++)
            {
                foreach (FakeRelaySession waiting in world.Live.Where(s => !s.IsReady && s.Uri == relays[i]))
                {
                    world.Accept(waiting, 100 - (10 * i));
                }
            }

            world.Run(60);
        }

        RelayUri[] kept = [.. world.Live.Where(static s => s.IsReady).Select(static s => s.Uri)];
        Assert.InRange(kept.Length, 5, 6);
        Assert.All(relays[4..], near => Assert.Contains(near, kept));
        Assert.Equal(relays[7].Address, world.Pool.Nearest.Primary);
    }

    [Fact]
    public void Attempts_are_up_to_a_minute_apart_but_closer_while_there_is_no_relay()
    {
        using var world = new PoolWorld();
        RelayUri[] relays = Configure(world, 2);
        FakeRelaySession good = world.Accept(world.SessionOf(relays[1]), 10);
        Assert.InRange(CountAttempts(world, relays[0], seconds: 600), 8, 25);
        world.Break(good);
        Assert.InRange(CountAttempts(world, relays[0], seconds: 600), 35, 80);
    }

    [Fact]
    public void A_relay_that_is_not_there_yet_is_tried_again_at_once()
    {
        using var world = new PoolWorld();
        RelayUri relay = Configure(world, 1)[0];
        world.Break(world.SessionOf(relay));
        Assert.Empty(world.Live);
        world.Run(0.25);
        Assert.Equal(relay, Assert.Single(world.Live).Uri);
    }

    [Fact]
    public void A_peers_relay_is_found_by_its_own_signature_and_closed_when_idle()
    {
        using var world = new PoolWorld();
        using PrivateKey wanted = PrivateKey.Generate();
        using PrivateKey liar = PrivateKey.Generate();
        RelayUri[] relays = Configure(world, 2);
        FakeRelaySession first = world.Accept(world.SessionOf(relays[0]), 10);
        FakeRelaySession second = world.Accept(world.SessionOf(relays[1]), 20);
        Assert.False(world.Pool.Need(wanted.Address));
        Assert.False(world.Pool.Need(wanted.Address));

        // One question at a time, to the nearest first; an object that another has signed is passed over.
        Assert.Equal(wanted.Address, Assert.Single(first.NodeQuestions).Node);
        Assert.Empty(second.NodeQuestions);
        first.NodeQuestions[0].Done(PoolWorld.Announce(liar, "203.0.113.66"));
        Assert.Single(second.NodeQuestions).Done(PoolWorld.Announce(wanted, "203.0.113.99", 443));
        FakeRelaySession extra = world.Live.Single(s => s.Uri.Address == wanted.Address);
        Assert.Equal("203.0.113.99:443", extra.Endpoint!.ToString());
        world.Accept(extra, 1);
        Assert.True(world.Pool.Need(wanted.Address));

        // It is never one of our own: tickets do not name it.
        world.Run(70);
        Assert.NotEqual(wanted.Address, world.Pool.Nearest.Primary);
        Assert.NotNull(extra.Closed);
        Assert.True(extra.IsDisposed);
        Assert.Equal(2, world.Pool.Entries.Count);
    }

    [Fact]
    public void A_peers_relay_is_kept_while_it_carries_ports()
    {
        using var world = new PoolWorld();
        using PrivateKey wanted = PrivateKey.Generate();
        FakeRelaySession extra = ConnectExtra(world, wanted);
        extra.PortCount = 2;
        world.Run(600);
        Assert.Null(extra.Closed);
        extra.PortCount = 0;
        world.Run(62);
        Assert.NotNull(extra.Closed);
    }

    [Fact]
    public void A_peers_relay_that_dies_is_looked_for_again_with_patience()
    {
        using var world = new PoolWorld();
        using PrivateKey wanted = PrivateKey.Generate();
        FakeRelaySession extra = ConnectExtra(world, wanted);
        FakeRelaySession own = world.Live[0];
        int before = own.NodeQuestions.Count;
        world.Break(extra, "no route");
        Assert.Equal("no route", world.Pool.WhyNot(wanted.Address));
        for (int i = 0; i < 120; i++)
        {
            world.Pool.Need(wanted.Address);
            world.Run(0.25);
            foreach ((_, Action<RelayReply> done) in own.NodeQuestions.Skip(before).ToArray())
            {
                before++;
                done(PoolWorld.Announce(wanted, "203.0.113.99"));
            }

            foreach (FakeRelaySession attempt in world.Live.Where(s => s.Uri.Address == wanted.Address))
            {
                world.Break(attempt, "no route");
            }
        }

        // 30 s: after 2, 4, 8 and 16 s, give or take.
        Assert.InRange(before, 4, 6);
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("169.254.169.254")]
    [InlineData("0.0.0.0")]
    [InlineData("224.0.0.1")]
    [InlineData("::1")]
    [InlineData("fe80::1")]
    [InlineData("::ffff:127.0.0.1")]
    [InlineData("")]
    public void A_relay_is_not_looked_for_where_none_can_be(string host)
    {
        using var world = new PoolWorld();
        using PrivateKey wanted = PrivateKey.Generate();
        RelayUri[] relays = Configure(world, 1);
        FakeRelaySession own = world.Accept(world.SessionOf(relays[0]), 10);
        world.Pool.Need(wanted.Address);
        own.NodeQuestions[0].Done(PoolWorld.Announce(wanted, host));
        Assert.Single(world.Live);
        Assert.NotNull(world.Pool.WhyNot(wanted.Address));
    }

    [Fact]
    public void Relays_of_peers_are_bounded()
    {
        using var world = new PoolWorld();
        RelayUri[] relays = Configure(world, 1);
        FakeRelaySession own = world.Accept(world.SessionOf(relays[0]), 10);
        for (int i = 0; i < 40; i++)
        {
            using PrivateKey wanted = PrivateKey.Generate();
            world.Pool.Need(wanted.Address);
            own.NodeQuestions[i].Done(PoolWorld.Announce(wanted, $"198.51.100.{i + 1}"));
            FakeRelaySession? extra = Array.Find(world.Live, s => s.Uri.Address == wanted.Address);
            if (extra is not null)
            {
                world.Accept(extra, 5).PortCount = 1;
            }
        }

        Assert.Equal(1 + RelayPool.MaxExtra, world.Live.Length);
    }

    [Fact]
    public void A_used_up_budget_ends_sessions_and_keeps_them_ended_until_it_is_lifted()
    {
        using var world = new PoolWorld(new TrafficBudget(10_000_000));
        RelayUri[] relays = Configure(world, 1);
        FakeRelaySession session = world.Accept(world.SessionOf(relays[0]), 10);
        session.Tickets = Status(world, signed: 9_000_000, used: 8_000_000);
        world.Run(1);
        Assert.Equal(10_000_000UL, session.Budget);
        Assert.True(world.Ledger.IsNear(out int percent));
        Assert.Equal(90, percent);

        // What is paid may be used.
        session.Tickets = Status(world, signed: 10_000_000, used: 9_500_000);
        world.Run(1);
        Assert.Null(session.Closed);
        session.Tickets = Status(world, signed: 10_000_000, used: 10_000_000);
        world.Run(1);
        Assert.Contains("budget", session.Closed, StringComparison.Ordinal);
        world.Run(120);
        Assert.Single(world.Sessions);
        Assert.Equal("budget", world.Pool.Entries[0].State);

        world.Ledger.Choose(TrafficBudget.None);
        world.Run(1);
        Assert.Equal(2, world.Sessions.Count);
    }

    [Fact]
    public void What_the_relay_counted_is_asked_for_each_minute()
    {
        using var world = new PoolWorld();
        RelayUri[] relays = Configure(world, 1);
        FakeRelaySession session = world.Accept(world.SessionOf(relays[0]), 10);
        world.Run(181);
        Assert.Equal(3, session.Asked);
    }

    internal static TicketStatus Status(PoolWorld world, ulong signed, ulong used)
    {
        return new TicketStatus
        {
            UsageBytes = used,
            Totals = new TicketTotals
            {
                ChainId = 1284,
                Fleet = default,
                Epoch = world.Ledger.Epoch,
                CountedBytes = used,
                SignedBytes = signed,
                AcceptedBytes = signed,
                Connections = 1,
            },
        };
    }

    private static FakeRelaySession ConnectExtra(PoolWorld world, PrivateKey wanted)
    {
        RelayUri[] relays = Configure(world, 1);
        FakeRelaySession own = world.Accept(world.SessionOf(relays[0]), 10);
        world.Pool.Need(wanted.Address);
        own.NodeQuestions[0].Done(PoolWorld.Announce(wanted, "203.0.113.99"));
        return world.Accept(world.Live.Single(s => s.Uri.Address == wanted.Address), 5);
    }

    private static RelayUri[] Configure(PoolWorld world, int count)
    {
        RelayUri[] relays = [.. Enumerable.Range(1, count).Select(static n => PoolWorld.MakeUri(n))];
        world.Pool.Configure(relays);
        world.Pool.Start();
        return relays;
    }

    private static int CountAttempts(PoolWorld world, RelayUri relay, int seconds)
    {
        int before = world.Sessions.Count(s => s.Uri == relay);
        for (int i = 0; i < seconds * 4; i++)
        {
            foreach (FakeRelaySession attempt in world.Live.Where(s => s.Uri == relay))
            {
                world.Break(attempt);
            }

            world.Run(0.25);
        }

        return world.Sessions.Count(s => s.Uri == relay) - before;
    }
}
