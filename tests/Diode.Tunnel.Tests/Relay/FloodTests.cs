using System.Diagnostics;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Relay.Sessions;
using Diode.Tunnel.Testing.Relay;
using Xunit;

namespace Diode.Tunnel.Tests.Relay;

/// <summary>Commands in a loop: answered or dropped as specified, counted, bounded in memory and time.</summary>
public sealed class FloodTests
{
    private const int Many = 100_000;

    private readonly RelayWorld _world = new();

    [Fact]
    public void A_hundred_thousand_port_opens_ask_the_target_six_times()
    {
        RelayPeer attacker = _world.Connect();
        RelayPeer target = _world.Connect();
        byte[] frame = RelayPeer.Frame(7, "portopen", target.Device.Address, "tls:1", "rws");
        var watch = Stopwatch.StartNew();
        for (int i = 0; i < Many; i++)
        {
            attacker.Feed(frame);
            Discard(attacker);
        }

        Assert.InRange(watch.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(10));
        Assert.Equal(6, target.ReadTexts().Length);
        Assert.Equal(12, _world.Core.Ports.Count);
        Assert.Equal(Many - 6, Counter("port_opens_refused"));
        Assert.Equal("[error too many port opens]", attacker.Ask("portopen", target.Device.Address, "tls:1", "rw"));
        Assert.Equal("[response pong]", attacker.Ask("ping"));

        // Others can still reach the target as soon as it answers or the opens are over.
        target.AskTicket(1, 1);
        _world.Advance(TimeSpan.FromSeconds(36));
        RelayPeer friend = _world.Connect();
        _world.Expect(0x0111_1111);
        friend.Send("portopen", target.Device.Address, "tls:1", "rw");
        target.Send("response", 0x0111_1111u, "ok");
        Assert.Equal(["[response ok 0x01111111]"], friend.ReadTexts());
    }

    [Fact]
    public void Opens_that_are_accepted_end_at_the_limit_of_the_session()
    {
        var world = new RelayWorld(new RelayLimits { MaxPortsPerSession = 100 });
        RelayPeer attacker = world.Connect();
        RelayPeer target = world.Connect();
        for (uint i = 0; i < 2000; i++)
        {
            world.ExpectNothing();
            world.Expect(0x0100_0000 + i);
            attacker.Feed(RelayPeer.Frame(7, "portopen", target.Device.Address, "tls:1", "rw"));
            target.Feed(RelayPeer.Frame(8, "response", 0x0100_0000u + i, "ok"));
            Discard(attacker);
            Discard(target);
        }

        Assert.Equal(200, world.Core.Ports.Count);
        Assert.Equal("[error too many open ports]", attacker.Ask("portopen", target.Device.Address, "tls:1", "rw"));
        attacker.Disconnect();
        Assert.Equal(0, world.Core.Ports.Count);
    }

    [Fact]
    public void Data_for_foreign_refs_is_answered_and_counted()
    {
        RelayPeer a = _world.Connect();
        RelayPeer b = _world.Connect();
        RelayPeer attacker = _world.Connect();
        _world.Expect(0x0111_1111);
        a.Send("portopen", b.Device.Address, "tls:1", "rw");
        b.Send("response", 0x0111_1111u, "ok");
        Discard(a);
        Discard(b);
        byte[] frame = RelayPeer.Frame(7, "portsend", 0x0111_1111u, new byte[100]);
        for (int i = 0; i < Many; i++)
        {
            attacker.Feed(frame);
            Discard(attacker);
        }

        Assert.Equal(Many, Counter("port_refs_foreign"));
        Assert.Empty(a.ReadTexts());
        Assert.Empty(b.ReadTexts());
        Assert.Equal("[error port does not exist]", attacker.Ask("portsend", 0x0111_1111u, "x"));
        Assert.Equal("[error port does not exit]", attacker.Ask("portclose", 0x0111_1111u));
        attacker.Send("response", 0x0111_1111u, "ok");
        attacker.Send("error", 0x0111_1111u, "no");
        Assert.Equal("[response ok]", a.Ask("portsend", 0x0111_1111u, "still there"));
    }

    [Fact]
    public void Unknown_commands_are_answered_and_counted()
    {
        RelayPeer attacker = _world.Connect();
        for (int i = 0; i < 10_000; i++)
        {
            attacker.Feed(RelayPeer.Frame((ulong)i, "command" + i, new byte[i % 50]));
            Discard(attacker);
        }

        Assert.Equal(10_000, Counter("commands_refused"));
        Assert.Equal("[error 0x0191 bad input]", attacker.Ask("nonsense"));
        Assert.Equal("[error 0x0191 bad input]", attacker.Ask("portopen", new byte[20]));
    }

    [Fact]
    public void Forged_tickets_are_refused_and_soon_not_even_looked_at()
    {
        RelayPeer victim = _world.Connect();
        RelayPeer attacker = _world.Connect();
        object[] stolen = victim.TicketItems(5, 50_000);
        Assert.Equal("[error signature mismatch]", attacker.Ask(stolen));
        object[] forged = attacker.TicketItems(5, 50_000);
        byte[] frame = RelayPeer.Frame(7, [.. forged[..5], 50_001ul, .. forged[6..]]);
        for (int i = 0; i < 5000; i++)
        {
            attacker.Feed(frame);
            Discard(attacker);
        }

        Assert.Equal("[error too many tickets]", attacker.Ask(forged));
        Assert.Equal(0, Counter("tickets_accepted"));
        Assert.Equal(5002, Counter("tickets_refused"));
        Assert.Null(_world.Core.Tickets.Find(attacker.Device.Address));
        Assert.Null(_world.Core.Tickets.Find(victim.Device.Address));

        // The budget of one session is not that of others.
        Assert.Equal("[response thanks! 0xc350]", victim.Ask(stolen));
    }

    [Fact]
    public void Replayed_and_forked_tickets_win_nothing()
    {
        RelayPeer device = _world.Connect();
        object[] first = device.TicketItems(1, 1_000_000);
        object[] second = device.TicketItems(2, 2_000_000);
        Assert.StartsWith("[response thanks!", device.Ask(first), StringComparison.Ordinal);
        Assert.StartsWith("[response thanks!", device.Ask(second), StringComparison.Ordinal);
        Assert.StartsWith("[response too_low", device.Ask(first), StringComparison.Ordinal);
        Assert.StartsWith("[response too_low", device.Ask(second), StringComparison.Ordinal);

        // The same totals, signed again for something else.
        object[] fork = device.TicketItems(2, 2_000_000, change: ticket =>
            (Diode.Tunnel.Edge.Tickets.TicketV2)(ticket with { LocalAddress = new byte[] { 0 } }).Sign(device.Device));
        Assert.StartsWith("[response too_low", device.Ask(fork), StringComparison.Ordinal);

        // Another session of the device does not begin at zero.
        RelayPeer other = _world.Connect(device.Device);
        Assert.StartsWith("[response too_low", other.Ask(first), StringComparison.Ordinal);
    }

    [Fact]
    public void Messages_are_limited_and_do_not_cut_a_receiver_that_does_not_read()
    {
        RelayPeer sender = _world.Connect();
        RelayPeer receiver = _world.Connect();
        byte[] frame = RelayPeer.Frame(7, "message", receiver.Device.Address, new byte[10_000], Array.Empty<object>());
        for (int i = 0; i < 10_000; i++)
        {
            sender.Feed(frame);
        }

        Assert.Empty(sender.ReadTexts());
        Assert.Equal(CloseReason.None, receiver.Closed);
        Assert.InRange(receiver.Session.Edge.Output.Length, 1 << 20, (1 << 20) + 11_000);
        Assert.Equal(10_000, Counter("messages_delivered") + Counter("messages_dropped"));
        Assert.InRange(Counter("messages_delivered"), 100, 256);
        sender.Send("message", receiver.Device.Address, new byte[65_480], Array.Empty<object>());
        Assert.Equal("[response pong]", sender.Ask("ping"));
    }

    [Fact]
    public void Sessions_of_one_address_share_a_budget()
    {
        var shared = new AddressBudget();
        int taken = 0;
        for (int session = 0; session < 10; session++)
        {
            var budget = new SessionBudget(shared);
            for (int i = 0; i < 10_000 && budget.TryTakeOpen(0); i++)
            {
                taken++;
            }
        }

        Assert.Equal(20_000, taken);
        var later = new SessionBudget(shared);
        Assert.False(later.TryTakeOpen(0));
        Assert.True(later.TryTakeOpen(1));
        Assert.True(later.TryTakeTicket(1));
    }

    [Fact]
    public void High_s_and_flipped_recovery_ids_are_refused()
    {
        RelayPeer device = _world.Connect();
        object[] ticket = device.TicketItems(1, 1000);
        byte[] signature = (byte[])ticket[^1];
        signature[0] ^= 1;
        Assert.Equal("[error signature mismatch]", device.Ask(ticket));
        signature[0] ^= 1;
        Assert.Equal("[error signature mismatch]", device.Ask([.. ticket[..^1], signature[..64]]));
        Assert.Equal("[error signature mismatch]", device.Ask([.. ticket[..^1], Array.Empty<byte>()]));
        Assert.True(Signature65.TryFromBytes(signature, out _));
        Assert.StartsWith("[response thanks!", device.Ask(ticket), StringComparison.Ordinal);
    }

    private long Counter(string name)
    {
        return _world.Core.Counters.Read().First(counter => counter.Key == name).Value;
    }

    private static void Discard(RelayPeer peer)
    {
        while (peer.Session.Edge.Output.TryPeek(out ReadOnlyMemory<byte> chunk))
        {
            peer.Session.Edge.Output.Advance(chunk.Length);
        }
    }
}
