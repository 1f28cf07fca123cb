using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Relay.Sessions;
using Diode.Tunnel.Testing.Relay;
using Xunit;

namespace Diode.Tunnel.Tests.Relay.Accounting;

public sealed class TicketTests
{
    [Fact]
    public void The_first_ticket_may_be_of_any_size_and_later_ones_must_be_better()
    {
        var world = new RelayWorld();
        RelayPeer peer = world.Connect();
        Assert.Equal("[response thanks! 0x400000]", peer.AskTicket(1, 0x400000));
        Assert.StartsWith("[response too_low 0x0504 0x02b4 0x01 0x400000 ", peer.AskTicket(1, 0x400000), StringComparison.Ordinal);
        Assert.StartsWith("[response too_low ", peer.AskTicket(2, 0x3fffff), StringComparison.Ordinal);
        Assert.Equal("[response thanks! 0x]", peer.AskTicket(2, 0x400000));
        Assert.Equal("[response thanks! 0x05f5e100]", peer.AskTicket(3, 0x400000 + 100_000_000));
        Assert.Equal("[response too_big_jump 0x02b3]", peer.AskTicket(4, 0x400000 + 200_000_001));
    }

    [Theory]
    [InlineData(1UL, 1UL, 690UL, "epoch number too low")]
    [InlineData(1UL, 1UL, 693UL, "epoch number too high")]
    [InlineData(1UL, 1UL, 0UL, "epoch number too low")]
    [InlineData(1UL, (1UL << 50) + 1, 692UL, "too many bytes")]
    [InlineData((1UL << 40) + 1, 1UL, 692UL, "too many connections")]
    [InlineData((1UL << 40) + 1, (1UL << 50) + 1, 690UL, "epoch number too low")]
    [InlineData((1UL << 40) + 1, (1UL << 50) + 1, 691UL, "too many bytes")]
    public void Checks_are_made_in_order(ulong connections, ulong bytes, ulong epoch, string error)
    {
        var world = new RelayWorld();
        Assert.Equal($"[error {error}]", world.Connect().AskTicket(connections, bytes, epoch));
    }

    [Fact]
    public void A_ticket_must_be_signed_by_the_device_for_this_relay_with_the_right_recovery_id()
    {
        var world = new RelayWorld();
        RelayPeer peer = world.Connect();
        Assert.Equal("[error signature mismatch]", peer.AskTicket(1, 1, change: t => (TicketV2)t.Sign(PrivateKey.Generate())));
        Assert.Equal("[error signature mismatch]", peer.AskTicket(1, 1, change: t => t with { TotalBytes = 2 }));
        object[] items = peer.TicketItems(1, 1);
        byte[] signature = (byte[])items[^1];
        signature[0] ^= 1;
        Assert.Equal("[error signature mismatch]", peer.Ask(items));
        items[^1] = signature[..64];
        Assert.Equal("[error signature mismatch]", peer.Ask(items));
        items[1] = 999_999UL;
        Assert.Equal("[error unknown chain]", peer.Ask(items));
        Assert.Equal("[error 0x0191 bad input]", peer.Ask(items[..5]));
    }

    [Fact]
    public void Without_a_ticket_the_session_ends_after_20_seconds()
    {
        var world = new RelayWorld();
        RelayPeer silent = world.Connect();
        RelayPeer talker = world.Connect();
        RelayPeer payer = world.Connect();
        world.Advance(TimeSpan.FromSeconds(19.7));
        talker.Ask("hello", 1001);
        payer.AskTicket(1, 1);
        Assert.Equal(CloseReason.None, silent.Closed);
        world.Advance(TimeSpan.FromSeconds(0.5));
        Assert.Equal(CloseReason.NoTicket, silent.Closed);
        Assert.Equal(CloseReason.NoTicket, talker.Closed);
        world.Advance(TimeSpan.FromMinutes(5));
        Assert.Equal(CloseReason.None, payer.Closed);
    }

    [Fact]
    public void Unpaid_usage_is_asked_for_and_only_then_cut_off()
    {
        var world = new RelayWorld();
        RelayPeer peer = world.Connect();
        peer.Send("hello", 1001);
        peer.AskTicket(1, 0);
        peer.Read();
        peer.Session.OnUsage((int)(31_457_280 - peer.Session.Account.Usage));
        world.Advance(TimeSpan.FromSeconds(30));
        Assert.Empty(peer.ReadTexts());
        peer.Session.OnUsage(1);
        world.Advance(TimeSpan.FromMilliseconds(250));
        Assert.Equal(["[ticket_request 0x01e00001]"], peer.ReadTexts());
        world.Advance(TimeSpan.FromSeconds(10));
        peer.AskTicket(1, 40_000_000);
        world.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(CloseReason.None, peer.Closed);
        peer.Session.OnUsage(80_000_000);
        world.Advance(TimeSpan.FromSeconds(19));
        Assert.Equal(CloseReason.None, peer.Closed);
        world.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(CloseReason.NoTicket, peer.Closed);
    }

    [Fact]
    public void A_new_ticket_is_wanted_after_eight_hours()
    {
        var world = new RelayWorld();
        RelayPeer peer = world.Connect();
        peer.Send("hello", 1001);
        peer.AskTicket(1, 1_000_000);
        peer.Read();
        world.NowMs += (8 * 3600 * 1000) - 1000;
        world.Core.Tick(world.NowMs);
        Assert.Empty(peer.Read());
        world.Advance(TimeSpan.FromSeconds(1));
        Assert.StartsWith("[ticket_request ", Assert.Single(peer.ReadTexts()), StringComparison.Ordinal);
    }

    [Fact]
    public void Hello_does_not_postpone_the_deadline()
    {
        var world = new RelayWorld();
        RelayPeer peer = world.Connect();
        for (int i = 0; i < 21 && peer.Closed == CloseReason.None; i++)
        {
            peer.Send("hello", 1001);
            world.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.Equal(CloseReason.NoTicket, peer.Closed);
    }

    [Fact]
    public void Usage_counts_payloads_both_ways_and_is_shared_by_sessions()
    {
        var world = new RelayWorld();
        var device = PrivateKey.Generate();
        RelayPeer first = world.Connect(device);
        Assert.Equal("[response ok]", first.Ask("hello", 1000));
        // 12 bytes in, 15 out (recorded: hello_1000_ticket_reset), then 9 in.
        Assert.Equal("[response H]", first.Ask("bytes"));
        RelayPeer second = world.Connect(device);
        Assert.Same(first.Session.Account, second.Session.Account);
    }

    [Fact]
    public void The_new_epoch_starts_at_nothing_and_the_old_one_is_still_paid()
    {
        var world = new RelayWorld();
        RelayPeer peer = world.Connect();
        world.Core.Tick(world.NowMs);
        peer.AskTicket(1, 1_000_000);
        peer.Session.OnUsage(5_000_000);
        world.NowMs = (RelayWorld.Epoch + 1) * 2_592_000_000L;
        world.Core.Tick(world.NowMs);
        Assert.Equal(0, peer.Session.Account.Usage);
        Assert.StartsWith("[response too_low ", peer.AskTicket(2, 4_000_000, RelayWorld.Epoch), StringComparison.Ordinal);
        Assert.StartsWith("[response thanks! ", peer.AskTicket(2, 6_000_000, RelayWorld.Epoch), StringComparison.Ordinal);
        Assert.Equal("[response thanks! 0x07d0]", peer.AskTicket(1, 2000, RelayWorld.Epoch + 1));
        world.NowMs = (RelayWorld.Epoch + 2) * 2_592_000_000L;
        world.Core.Tick(world.NowMs);
        Assert.Equal("[error epoch number too low]", peer.AskTicket(3, 7_000_000, RelayWorld.Epoch));
        Assert.Equal((ulong)RelayWorld.Epoch + 1, Assert.IsType<TicketV2>(world.Core.Tickets.Find(peer.Device.Address)).EpochNumber);
    }

    [Fact]
    public void A_device_cannot_fill_the_store_with_fleets()
    {
        var world = new RelayWorld();
        RelayPeer peer = world.Connect();
        string last = "";
        for (byte i = 0; i <= 32; i++)
        {
            byte[] fleet = new byte[20];
            fleet[0] = i;
            last = peer.AskTicket(1, 1000, change: t => (TicketV2)(t with { Fleet = new Address(fleet) }).Sign(peer.Device));
        }

        Assert.Equal("[error too many fleets]", last);
        Assert.StartsWith("[response thanks! ", peer.AskTicket(1, 100_000), StringComparison.Ordinal);
    }

    [Fact]
    public void Others_see_the_newest_ticket_countersigned_also_after_the_device_left()
    {
        var world = new RelayWorld();
        RelayPeer peer = world.Connect();
        RelayPeer other = world.Connect();
        Assert.Equal("[response 0x]", other.Ask("getobject", peer.Device.Address));
        peer.AskTicket(1, 1000);
        peer.AskTicket(2, 2000);
        peer.Disconnect();
        other.Send("getobject", peer.Device.Address);
        byte[] encoded = other.Read()[^1].Items[1].Items[1].Encode();
        Assert.True(Ticket.TryReadObject(encoded, out Ticket? ticket));
        Assert.True(ticket.IsSignedBy(peer.Device.Address));
        Assert.Equal(world.Core.Address, ticket.Server);
        Assert.Equal(2000UL, ticket.TotalBytes);
    }

    [Fact]
    public void Tickets_cannot_be_used_to_burn_the_processor()
    {
        var world = new RelayWorld();
        RelayPeer peer = world.Connect();
        object[] ticket = peer.TicketItems(1, 1000);
        ticket[1] = 7UL;
        string[] answers = [.. Enumerable.Range(0, 70).Select(_ => peer.Ask(ticket))];
        Assert.Equal(64, answers.Count(answer => answer == "[error unknown chain]"));
        Assert.Equal("[error too many tickets]", answers[^1]);
        world.NowMs += 125;
        Assert.Equal("[error unknown chain]", peer.Ask(ticket));
        Assert.Equal("[error too many tickets]", peer.Ask(ticket));
    }
}
