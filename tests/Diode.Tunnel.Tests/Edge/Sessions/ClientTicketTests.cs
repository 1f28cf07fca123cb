using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.Rlp;
using Xunit;

namespace Diode.Tunnel.Tests.Edge.Sessions;

public sealed class ClientTicketTests
{
    private const ulong Headroom = 4_194_304;
    private const ulong Epoch = 682;

    [Fact]
    public void The_first_ticket_names_the_relay_the_time_and_the_tunnel_key()
    {
        byte[] tunnelKey = [.. Enumerable.Range(1, 32).Select(i => (byte)i)];
        using var relay = new ScriptedRelay(new EdgeClientOptions { TunnelKey = tunnelKey, CapabilityVersion = 3 });
        relay.Session.Start(ScriptedRelay.Now);
        (_, TicketV2 ticket) = TakeTicket(relay);
        Assert.True(ticket.TryRecoverDevice(out var device));
        Assert.Equal(relay.Device.Address, device);
        Assert.Equal((Epoch, 1UL), (ticket.Epoch, ticket.TotalConnections));
        AssertPays(Headroom, ticket);
        LocalAddress local = ticket.ReadLocalAddress();
        Assert.Equal([relay.Key.Address], local.Relays);
        Assert.Equal(1_770_000_000UL, local.Timestamp);
        Assert.Equal(tunnelKey, local.TunnelKey.ToArray());
        Assert.Equal(3UL, local.CapabilityVersion);
        Assert.True(ticket.IsRecentAt(1_770_000_000, 0));
    }

    [Fact]
    public void A_request_before_the_first_thanks_is_served_by_the_ticket_in_flight()
    {
        using var relay = new ScriptedRelay();
        relay.Session.Start(ScriptedRelay.Now);
        relay.Writer.WriteTicketRequest(7, 1000);
        relay.Deliver();
        relay.AcceptTicket();
        Assert.Equal(["paid 4194304", "ready"], relay.Events.Log);
        Assert.Equal(0, relay.Session.PendingOutput);
    }

    [Fact]
    public void A_request_is_answered_at_once_with_usage_and_headroom()
    {
        using ScriptedRelay relay = ScriptedRelay.Ready();
        relay.Writer.WriteTicketRequest(7, 31_457_281);
        relay.Deliver();
        (_, TicketV2 ticket) = TakeTicket(relay);
        Assert.Equal(31_457_281 + Headroom, ticket.TotalBytes);
    }

    [Fact]
    public void Too_low_is_answered_with_one_more_connection_and_enough_bytes()
    {
        using var relay = new ScriptedRelay();
        relay.Session.Start(ScriptedRelay.Now);
        relay.Writer.WriteTicketRequest(7, 920_000_000);
        relay.Deliver();
        (ulong id, TicketV2 first) = TakeTicket(relay);
        relay.ReplyTooLow(id, first with { TotalBytes = 900_000_000, TotalConnections = 12 });
        (_, TicketV2 second) = TakeTicket(relay);
        AssertPays(920_000_000 + (Headroom / 64), second);
        Assert.Equal(13UL, second.TotalConnections);
    }

    [Fact]
    public void A_foreign_ticket_in_too_low_is_not_believed()
    {
        using var relay = new ScriptedRelay();
        using PrivateKey stranger = PrivateKey.Generate();
        relay.Session.Start(ScriptedRelay.Now);
        (ulong id, TicketV2 first) = TakeTicket(relay);
        relay.ReplyTooLow(id, first with { TotalBytes = 1UL << 49 }, stranger);
        Assert.Equal(0, relay.Session.PendingOutput);
        Assert.StartsWith("ticket rejected", Assert.Single(relay.Events.Log), StringComparison.Ordinal);
    }

    [Fact]
    public void A_relay_cannot_climb_by_claims_and_own_answers()
    {
        using ScriptedRelay relay = ScriptedRelay.Ready();
        ulong highest = 0;
        for (uint round = 0; round < 200; round++)
        {
            relay.Writer.WriteTicketRequest(round, 1UL << 50);
            relay.Deliver();
            for (int i = 0; i < 10 && relay.Session.PendingOutput > 0; i++)
            {
                (ulong id, TicketV2 ticket) = TakeTicket(relay);
                highest = Math.Max(highest, ticket.TotalBytes);
                relay.ReplyTooLow(id, ticket);
            }
        }

        // One jump, 10 MB for each day of the epoch, and the steps towards it.
        Assert.InRange(highest, 0UL, 130_000_000UL + (ScriptedRelay.Now / 1000 % 2_592_000 * 10_000_000 / 86_400));
    }

    [Fact]
    public void Bytes_moved_elsewhere_can_be_reported()
    {
        using ScriptedRelay relay = ScriptedRelay.Ready();
        relay.Session.AddExternalUsage(1_000_000_000);
        (ulong id, TicketV2 first) = TakeTicket(relay);
        Assert.InRange(first.TotalBytes, 100_000_000UL, 110_000_000UL);
        relay.Writer.WriteTicketRequest(1, 1_000_000_000);
        relay.Deliver();
        ReplyThanks(relay, id);
        Assert.InRange(TakeTicket(relay).Ticket.TotalBytes, 1_000_000_000 + Headroom, 1_100_000_000UL);
    }

    [Theory]
    [InlineData("epoch number too low", Epoch + 1)]
    [InlineData("epoch number too high", Epoch - 1)]
    public void Clocks_may_disagree_by_one_epoch(string error, ulong expected)
    {
        using var relay = new ScriptedRelay();
        relay.Session.Start(ScriptedRelay.Now);
        relay.Writer.WriteError(TakeTicket(relay).Id, error);
        relay.Deliver();
        (ulong id, TicketV2 ticket) = TakeTicket(relay);
        Assert.Equal(expected, ticket.Epoch);
        relay.Writer.WriteError(id, error);
        relay.Deliver();
        Assert.Equal("ticket rejected: " + error, Assert.Single(relay.Events.Log));
    }

    [Fact]
    public void Too_old_is_followed_by_one_epoch_only()
    {
        using var relay = new ScriptedRelay();
        relay.Session.Start(ScriptedRelay.Now);
        ReplyWithEpoch(relay, TakeTicket(relay).Id, Epoch - 2);
        (ulong id, TicketV2 ticket) = TakeTicket(relay);
        Assert.Equal(Epoch - 1, ticket.Epoch);
        ReplyWithEpoch(relay, id, 17);
        Assert.StartsWith("ticket rejected", Assert.Single(relay.Events.Log), StringComparison.Ordinal);
    }

    /// <summary>As many bytes as told, and the few that the session itself has moved.</summary>
    private static void AssertPays(ulong bytes, TicketV2 ticket)
    {
        Assert.InRange(ticket.TotalBytes, bytes, bytes + 1000);
    }

    private static void ReplyThanks(ScriptedRelay relay, ulong id)
    {
        relay.Writer.Begin(id, "response"u8).WriteBytes("thanks!"u8);
        relay.Writer.End();
        relay.Deliver();
    }

    private static (ulong Id, TicketV2 Ticket) TakeTicket(ScriptedRelay relay)
    {
        (ulong id, string _, RlpItem message) = relay.Take().Single(sent => sent.Word == "ticketv2");
        byte[] encoded = message.Encode();
        Assert.True(RlpReader.TryReadSingleList(encoded, out RlpReader arguments));
        Assert.True(arguments.TryReadBytes(out _));
        Assert.True(TicketV2.TryReadSubmission(arguments, relay.Key.Address, out TicketV2? ticket));
        return (id, ticket);
    }

    private static void ReplyWithEpoch(ScriptedRelay relay, ulong id, ulong minEpoch)
    {
        RlpWriter rlp = relay.Writer.Begin(id, "response"u8);
        rlp.WriteBytes("too_old"u8);
        rlp.WriteUInt64(minEpoch);
        relay.Writer.End();
        relay.Deliver();
    }
}
