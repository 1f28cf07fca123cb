using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Rlp;
using Xunit;

namespace Diode.Tunnel.Tests.Edge.Sessions;

/// <summary>Paying ahead, budget, restarts and epochs, in virtual time.</summary>
public sealed class PayingAheadTests
{
    private const ulong Headroom = 4_194_304;
    private const ulong RelayAsksAt = 31_457_280;
    private const long EpochMs = 2_592_000_000;

    [Theory]
    [InlineData(10_000_000, 80)]
    [InlineData(200_000_000, 60)]
    [InlineData(500_000_000, 30)]
    public void At_full_speed_the_relay_never_has_to_ask(long bytesPerSecond, int roundTripMs)
    {
        using ScriptedRelay relay = ScriptedRelay.Ready();
        var answers = new Queue<(long At, ulong Id, ulong Bytes)>();
        ulong accepted = relay.Session.PaidBytes;
        ulong worst = 0;
        int tickets = 0;
        for (long ms = 1; ms <= 5000; ms++)
        {
            long now = ScriptedRelay.Now + ms;
            if (ms > 500)
            {
                relay.Session.AddExternalUsage(bytesPerSecond / 1000);
            }

            if (ms % 250 == 0)
            {
                relay.Session.Tick(now);
            }

            foreach ((ulong id, TicketV2 ticket) in TakeTickets(relay))
            {
                Assert.True(ticket.TotalBytes <= accepted + 100_000_000);
                answers.Enqueue((ms + roundTripMs, id, ticket.TotalBytes));
                tickets++;
            }

            while (answers.TryPeek(out (long At, ulong Id, ulong Bytes) next) && next.At <= ms)
            {
                answers.Dequeue();
                accepted = next.Bytes;
                Thanks(relay, next.Id, now);
            }

            worst = Math.Max(worst, relay.Session.GetTicketStatus().UsageBytes - Math.Min(accepted, relay.Session.GetTicketStatus().UsageBytes));
        }

        Assert.InRange(worst, 0UL, RelayAsksAt);
        Assert.InRange(tickets, 1, 60);
        Assert.Equal(0, relay.Session.GetTicketStatus().Refused);
    }

    [Fact]
    public void An_idle_session_pays_no_more_than_it_must()
    {
        using ScriptedRelay relay = ScriptedRelay.Ready();
        for (int minute = 0; minute < 6 * 60; minute++)
        {
            relay.Session.Tick(ScriptedRelay.Now + (minute * 60_000L));
        }

        Assert.Empty(TakeTickets(relay));
        relay.Session.Tick(ScriptedRelay.Now + (7 * 3_600_000L));
        Assert.InRange(Assert.Single(TakeTickets(relay)).Ticket.TotalBytes, Headroom, Headroom + 1000);
    }

    [Fact]
    public void The_next_session_goes_on_where_the_last_one_ended()
    {
        TicketTotals totals;
        using (ScriptedRelay first = ScriptedRelay.Ready())
        {
            first.Session.AddExternalUsage(3_900_000);
            (ulong id, TicketV2 ticket) = Assert.Single(TakeTickets(first));
            Thanks(first, id);
            totals = first.Session.GetTicketStatus().Totals!;
            Assert.Equal(ticket.TotalBytes, totals.AcceptedBytes);
            Assert.InRange(totals.CountedBytes, 3_900_000UL, 3_901_000UL);
        }

        using var second = new ScriptedRelay(new EdgeClientOptions { Totals = totals });
        second.Session.Start(ScriptedRelay.Now);
        (_, TicketV2 next) = Assert.Single(TakeTickets(second));
        Assert.True(next.TotalBytes > totals.AcceptedBytes);
        Assert.Equal(totals.Connections + 1, next.TotalConnections);
        Assert.InRange(second.Session.GetTicketStatus().Totals!.CountedBytes, totals.CountedBytes, totals.CountedBytes + 1000);
    }

    /// <summary>A relay that was restarted counts from what it holds: all that was paid ahead is gone (diode-objects §4.6).</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Restarts_of_the_relay_do_not_use_up_what_may_be_signed(bool asks)
    {
        TicketTotals? totals = null;
        TicketV2? held = null;
        for (int restart = 0; restart < 1000; restart++)
        {
            using var relay = new ScriptedRelay(new EdgeClientOptions { Totals = totals });
            relay.Session.Start(ScriptedRelay.Now);
            relay.Session.AddExternalUsage(400);
            if (asks && held is not null)
            {
                relay.Writer.WriteTicketRequest(7, held.TotalBytes + 400);
                relay.Deliver();
            }

            for (int i = 0; held is not null && i < 3; i++)
            {
                (ulong id, TicketV2 ticket) = Assert.Single(TakeTickets(relay));
                if (ticket.TotalBytes >= held.TotalBytes + 20_000)
                {
                    held = ticket;
                    Thanks(relay, id);
                    break;
                }

                relay.ReplyTooLow(id, held with { Server = relay.Key.Address });
            }

            if (held is null)
            {
                (ulong id, held) = Assert.Single(TakeTickets(relay));
                Thanks(relay, id);
            }

            totals = relay.Session.GetTicketStatus().Totals!;
            Assert.Equal(held.TotalBytes, totals.AcceptedBytes);
        }

        Assert.InRange(held!.TotalBytes, 4_194_304UL, 80_000_000UL);
    }

    [Fact]
    public void The_budget_is_never_passed_and_says_so_until_it_is_lifted()
    {
        using ScriptedRelay relay = ScriptedRelay.Ready(new EdgeClientOptions { TicketBudget = 10_000_000 });
        ulong highest = 0;
        for (int i = 0; i < 30; i++)
        {
            relay.Session.AddExternalUsage(1_000_000);
            foreach ((ulong id, TicketV2 ticket) in TakeTickets(relay))
            {
                highest = Math.Max(highest, ticket.TotalBytes);
                Thanks(relay, id);
            }
        }

        relay.Writer.WriteTicketRequest(1, 30_000_000);
        relay.Deliver();
        Assert.Equal(10_000_000UL, highest);
        Assert.True(relay.Session.GetTicketStatus().IsBudgetReached);
        Assert.Equal("ticket rejected: the traffic budget is used up", relay.Events.Log[^1]);

        relay.Session.SetTicketBudget(null);
        Assert.True(Assert.Single(TakeTickets(relay)).Ticket.TotalBytes >= 30_000_000);
        Assert.False(relay.Session.GetTicketStatus().IsBudgetReached);
    }

    [Fact]
    public void The_turn_of_the_epoch_begins_at_nothing()
    {
        using ScriptedRelay relay = ScriptedRelay.Ready();
        relay.Session.AddExternalUsage(4_000_000);
        Thanks(relay, Assert.Single(TakeTickets(relay)).Id);
        long next = ((ScriptedRelay.Now / EpochMs) + 1) * EpochMs;
        relay.Session.Tick(next - 1);
        ulong before = TakeTickets(relay).Select(t => t.Ticket.Epoch).Append(0UL).Max();
        Assert.True(before is 0 or 682);
        using ScriptedRelay quiet = ScriptedRelay.Ready();
        quiet.Session.AddExternalUsage(1_000_000);
        quiet.Session.Tick(next);
        TicketV2 ticket = Assert.Single(TakeTickets(quiet)).Ticket;
        Assert.Equal((683UL, 1UL), (ticket.Epoch, ticket.TotalConnections));
        Assert.InRange(ticket.TotalBytes, Headroom, Headroom + 1000);
    }

    [Fact]
    public void A_relay_that_lost_its_tickets_is_paid_from_its_own_word()
    {
        var totals = new TicketTotals
        {
            ChainId = 1284,
            Fleet = new EdgeClientOptions().Fleet,
            Epoch = 682,
            CountedBytes = 900_000_000,
            AcceptedBytes = 902_000_000,
            SignedBytes = 902_000_000,
            Connections = 5,
        };
        using var relay = new ScriptedRelay(new EdgeClientOptions { Totals = totals });
        relay.Session.Start(ScriptedRelay.Now);
        relay.Writer.WriteTicketRequest(7, 1_000_000);
        relay.Deliver();
        (ulong id, TicketV2 first) = Assert.Single(TakeTickets(relay));
        Assert.True(first.TotalBytes > 902_000_000);
        relay.Writer.Begin(id, "response"u8).WriteBytes("too_big_jump"u8);
        relay.Writer.End();
        relay.Deliver();
        TicketV2 second = Assert.Single(TakeTickets(relay)).Ticket;
        Assert.InRange(second.TotalBytes, 1_000_000UL, 101_000_000UL);
    }

    [Fact]
    public void A_relay_that_claims_far_more_than_was_moved_is_flagged()
    {
        using ScriptedRelay relay = ScriptedRelay.Ready();
        relay.Writer.WriteTicketRequest(1, 5_000_000);
        relay.Deliver();
        Assert.False(relay.Session.GetTicketStatus().IsOverclaimed);
        relay.Writer.WriteTicketRequest(2, 60_000_000);
        relay.Deliver();
        TicketStatus status = relay.Session.GetTicketStatus();
        Assert.True(status.IsOverclaimed);
        Assert.Equal((60_000_000UL, 2L), (status.ClaimedBytes!.Value, status.Asked));
    }

    [Fact]
    public void The_owner_may_sign_elsewhere()
    {
        using var relay = new ScriptedRelay(new EdgeClientOptions { OwnerSigns = true });
        relay.Session.Start(ScriptedRelay.Now);
        Assert.Equal(["due"], relay.Events.Log);
        Assert.DoesNotContain(relay.Take(), sent => sent.Word == "ticketv2");
        Ticket ticket = relay.Session.MakeTicket(ScriptedRelay.Now)!;
        Assert.Null(relay.Session.MakeTicket(ScriptedRelay.Now));
        relay.Session.AddExternalUsage(50_000_000);
        relay.Session.SubmitTicket(ticket.Sign(relay.Device));
        Thanks(relay, Assert.Single(TakeTickets(relay)).Id);
        Assert.Contains("ready", relay.Events.Log);

        // What moved meanwhile makes the next one due at once.
        relay.Session.AddExternalUsage(1);
        Assert.Equal("due", relay.Events.Log[^1]);
    }

    [Fact]
    public void The_diode_L1_gets_version_1_tickets_dated_by_the_relays_block()
    {
        using var relay = new ScriptedRelay(new EdgeClientOptions { ChainId = 15 });
        relay.Session.Start(ScriptedRelay.Now);
        AnswerBlock(relay, 8_000_001);
        (ulong id, string word, RlpItem message) = relay.Take().Single(sent => sent.Word.StartsWith("ticket", StringComparison.Ordinal));
        Assert.Equal("ticket", word);
        TicketV1 ticket = ReadVersion1(relay, message);
        Assert.True((ticket with { BlockHash = new Hash256(Hash) }).TryRecoverDevice(out Address signer));
        Assert.Equal(relay.Device.Address, signer);
        Assert.Equal((8_000_001UL, 1UL), (ticket.BlockNumber, ticket.TotalConnections));
        Thanks(relay, id);
        Assert.True(relay.Session.IsReady);
    }

    [Fact]
    public void A_relay_that_does_not_know_version_2_gets_version_1()
    {
        using var relay = new ScriptedRelay();
        relay.Session.Start(ScriptedRelay.Now);
        relay.Writer.WriteError(Assert.Single(TakeTickets(relay)).Id, 401, "bad input");
        relay.Deliver();
        AnswerBlock(relay, 1_000);
        Assert.Equal("ticket", relay.Take().Single().Word);
    }

    [Fact]
    public void Without_a_block_there_is_no_version_1_ticket_and_no_storm_of_questions()
    {
        using var relay = new ScriptedRelay(new EdgeClientOptions { ChainId = 15 });
        relay.Session.Start(ScriptedRelay.Now);
        relay.Writer.WriteError(relay.Take().Single(sent => sent.Word == "getblockpeak").Id, "not implemented");
        relay.Deliver();
        for (int i = 0; i < 100; i++)
        {
            relay.Session.AddExternalUsage(1000);
        }

        Assert.Empty(relay.Take());
        Assert.Equal("ticket rejected: the relay told no block of the Diode L1: not implemented", Assert.Single(relay.Events.Log));
    }

    [Fact]
    public void New_relay_hints_are_published_but_not_at_once()
    {
        using ScriptedRelay relay = ScriptedRelay.Ready();
        var near = Address.Parse("0x960c3362c86aac83b6f67907e4f0736ee48d9a81");
        relay.Session.SetRelays(near, relay.Key.Address);
        relay.Session.Tick(ScriptedRelay.Now + 5_000);
        Assert.Empty(TakeTickets(relay));
        relay.Session.Tick(ScriptedRelay.Now + 15_000);
        Assert.Equal([near, relay.Key.Address], Assert.Single(TakeTickets(relay)).Ticket.ReadLocalAddress().Relays);
    }

    [Fact]
    public void The_relays_count_can_be_asked_for()
    {
        using ScriptedRelay relay = ScriptedRelay.Ready();
        relay.Session.AskUnpaidBytes();
        (ulong id, string word, _) = relay.Take().Single();
        Assert.Equal("bytes", word);
        relay.Writer.Begin(id, "response"u8).WriteUInt64((4_000_000 * 2) + 1);
        relay.Writer.End();
        relay.Deliver();
        Assert.Equal(relay.Session.PaidBytes - 4_000_000, relay.Session.GetTicketStatus().ClaimedBytes);
    }

    private static byte[] Hash { get; } = [.. Enumerable.Repeat((byte)7, 32)];

    private static void AnswerBlock(ScriptedRelay relay, ulong number)
    {
        relay.Writer.Begin(relay.Take().Single(sent => sent.Word == "getblockpeak").Id, "response"u8).WriteUInt64(number);
        relay.Writer.End();
        relay.Deliver();
        (ulong id, string word, RlpItem message) = relay.Take().Single();
        Assert.Equal("getblockheader", word);
        Assert.Equal(number, message.Items[1].Bytes.ToArray().Aggregate(0UL, (value, digit) => (value << 8) | digit));
        RlpWriter rlp = relay.Writer.Begin(id, "response"u8);
        rlp.BeginList();
        foreach ((string key, byte[] value) in new[] { ("number", new byte[] { 1 }), ("block_hash", Hash) })
        {
            rlp.BeginList();
            rlp.WriteText(key);
            rlp.WriteBytes(value);
            rlp.EndList();
        }

        rlp.EndList();
        relay.Writer.End();
        relay.Deliver();
    }

    private static TicketV1 ReadVersion1(ScriptedRelay relay, RlpItem message)
    {
        Assert.True(RlpReader.TryReadSingleList(message.Encode(), out RlpReader arguments));
        Assert.True(arguments.TryReadBytes(out _));
        Assert.True(TicketV1.TryReadSubmission(arguments, relay.Key.Address, out TicketV1? ticket));
        return ticket;
    }

    private static void Thanks(ScriptedRelay relay, ulong id, long now = ScriptedRelay.Now)
    {
        relay.Writer.Begin(id, "response"u8).WriteBytes("thanks!"u8);
        relay.Writer.End();
        relay.Deliver(now: now);
    }

    private static List<(ulong Id, TicketV2 Ticket)> TakeTickets(ScriptedRelay relay)
    {
        List<(ulong, TicketV2)> tickets = [];
        foreach ((ulong id, string _, RlpItem message) in relay.Take().Where(sent => sent.Word == "ticketv2"))
        {
            Assert.True(RlpReader.TryReadSingleList(message.Encode(), out RlpReader arguments));
            Assert.True(arguments.TryReadBytes(out _));
            Assert.True(TicketV2.TryReadSubmission(arguments, relay.Key.Address, out TicketV2? ticket));
            tickets.Add((id, ticket));
        }

        return tickets;
    }
}
