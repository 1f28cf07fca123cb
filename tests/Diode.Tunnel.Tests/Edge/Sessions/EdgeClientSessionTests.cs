using Diode.Tunnel.Edge.Messages;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Testing;
using Xunit;

namespace Diode.Tunnel.Tests.Edge.Sessions;

public sealed class EdgeClientSessionTests
{
    private static readonly Address Other = Address.Parse("0x960c3362c86aac83b6f67907e4f0736ee48d9a81");

    [Fact]
    public void Start_writes_hello_and_a_ticket_and_the_relays_thanks_makes_it_ready()
    {
        using var relay = new ScriptedRelay();
        relay.Session.Start(ScriptedRelay.Now);
        Assert.Equal("000ccb02c98568656c6c6f8203e9", Convert.ToHexStringLower(relay.Session.Output.Span[..14]));
        relay.AcceptTicket();
        Assert.Equal(["paid 4194304", "ready"], relay.Events.Log);
        Assert.True(relay.Session.IsReady);
        Assert.Equal(0, relay.Session.PendingRequestCount);
    }

    [Fact]
    public void Replies_reach_their_requests_in_any_order_and_cut_anywhere()
    {
        for (int piece = 1; piece < 12; piece++)
        {
            using ScriptedRelay relay = ScriptedRelay.Ready();
            uint ping = relay.Session.Ping();
            uint get = relay.Session.GetObject(Other.ToArray());
            relay.Writer.WriteResponse(get, ""u8);
            relay.Writer.WriteError(999, "nobody asked");
            relay.Writer.WriteResponse(ping, "pong"u8);
            Assert.True(relay.Deliver(piece));
            Assert.Equal([$"response {get} ", $"response {ping} pong"], relay.Events.Log);
            Assert.Equal(1, relay.Session.IgnoredMessages);
        }
    }

    [Fact]
    public void A_port_is_opened_used_and_closed_from_here()
    {
        using ScriptedRelay relay = ScriptedRelay.Ready();
        uint id = relay.Session.PortOpen(Other, "tls:22"u8);
        Assert.Equal(
            "e888706f72746f70656e94960c3362c86aac83b6f67907e4f0736ee48d9a8186746c733a3232827277",
            Convert.ToHexStringLower(relay.Take()[0].Message.Encode()));
        PortRef port = PortRef.FromUInt32(0x2abbccdd);
        Assert.False(relay.Session.PortSend(port, "early"u8));
        relay.Writer.WritePortOpened(id, port);
        relay.Deliver();
        Assert.True(relay.Session.PortSend(port, "hello"u8));
        relay.Writer.WritePortSend(77, port, "answer"u8);
        relay.Writer.WritePortClose(78, port);
        relay.Deliver();
        Assert.Equal([$"opened {id} 2abbccdd", "data 2abbccdd answer", "closed 2abbccdd"], relay.Events.Log);
        Assert.Equal("d488706f727473656e64842abbccdd8568656c6c6f", Convert.ToHexStringLower(relay.Take()[0].Message.Encode()));
        Assert.False(relay.Session.PortSend(port, "late"u8));
        Assert.False(relay.Session.PortClose(port));
        Assert.Equal(0, relay.Session.PendingOutput);
    }

    [Fact]
    public void Long_data_is_cut_into_requests_a_relay_can_forward()
    {
        using ScriptedRelay relay = ScriptedRelay.Ready();
        PortRef port = relay.OpenPort();
        Assert.True(relay.Session.PortSend(port, new byte[150_000]));
        int[] lengths = [.. relay.Take().Select(sent => sent.Message.Items[2].Bytes.Length)];
        Assert.Equal([65_000, 65_000, 20_000], lengths);
    }

    [Fact]
    public void Data_that_overtakes_the_confirmation_is_delivered_after_it()
    {
        using ScriptedRelay relay = ScriptedRelay.Ready();
        uint id = relay.Session.PortOpen(Other, "tcp:80"u8);
        PortRef port = PortRef.FromUInt32(5);
        relay.Writer.WritePortSend(1, port, "first"u8);
        relay.Writer.WritePortClose(2, port);
        relay.Writer.WritePortOpened(id, port);
        relay.Deliver();
        Assert.Equal([$"opened {id} 00000005", "data 00000005 first", "closed 00000005"], relay.Events.Log);
        Assert.Equal(0, relay.Session.PortCount);
    }

    [Fact]
    public void Data_of_an_unknown_port_is_dropped_and_the_port_closed_once()
    {
        using ScriptedRelay relay = ScriptedRelay.Ready();
        for (int i = 0; i < 3; i++)
        {
            relay.Writer.WritePortSend(1, PortRef.FromUInt32(9), "x"u8);
        }

        Assert.True(relay.Deliver());
        Assert.Empty(relay.Events.Log);
        Assert.Equal("portclose", Assert.Single(relay.Take()).Word);
    }

    [Fact]
    public void A_requested_port_is_answered_once()
    {
        using ScriptedRelay relay = ScriptedRelay.Ready();
        PortRef port = PortRef.FromUInt32(0x2abbccdd);
        relay.Writer.WritePortOpenRequest(0x12345678, "tls:22"u8, port, Other);
        relay.Deliver();
        Assert.Equal([$"asked 2abbccdd tls:22 {Other}"], relay.Events.Log);
        IncomingPort incoming = relay.Events.Incoming[0];
        Assert.False(relay.Session.PortSend(port, "early"u8));
        Assert.False(relay.Session.PortClose(port));
        Assert.True(relay.Session.AcceptPort(incoming));
        Assert.False(relay.Session.AcceptPort(incoming));
        Assert.False(relay.Session.RejectPort(incoming, "no"));
        Assert.Equal("0018d78412345678d188726573706f6e7365842abbccdd826f6b", Convert.ToHexStringLower(relay.Session.Output.Span));
        Assert.True(relay.Session.PortSend(port, "hi"u8));
    }

    [Fact]
    public void A_requested_port_can_be_refused_or_withdrawn()
    {
        using ScriptedRelay relay = ScriptedRelay.Ready();
        relay.Writer.WritePortOpenRequest(0x12345678, "tls:22"u8, PortRef.FromUInt32(0x2abbccdd), Other);
        relay.Writer.WritePortOpenRequest(3, "tls:22"u8, PortRef.FromUInt32(4), Other);
        relay.Writer.WritePortClose(5, PortRef.FromUInt32(4));
        relay.Deliver();
        Assert.True(relay.Session.RejectPort(relay.Events.Incoming[0], "connection refused"));
        Assert.Equal(
            "0025e48412345678de856572726f72842abbccdd92636f6e6e656374696f6e2072656675736564",
            Convert.ToHexStringLower(relay.Session.Output.Span));
        Assert.False(relay.Session.AcceptPort(relay.Events.Incoming[1]));
        Assert.Equal(0, relay.Session.PortCount);
    }

    [Fact]
    public void Names_that_are_empty_or_too_long_are_refused_unseen()
    {
        using ScriptedRelay relay = ScriptedRelay.Ready();
        relay.Writer.WritePortOpenRequest(1, ""u8, PortRef.FromUInt32(1), Other);
        relay.Writer.WritePortOpenRequest(2, new byte[65], PortRef.FromUInt32(2), Other);
        relay.Deliver();
        Assert.Empty(relay.Events.Log);
        Assert.All(relay.Take(), sent => Assert.Equal("error", sent.Word));
        Assert.Throws<ArgumentException>(() => relay.Session.PortOpen(Other, [0, 0]));
        Assert.Throws<ArgumentException>(() => relay.Session.PortOpen(Other, []));
    }

    [Fact]
    public void Tables_are_bounded()
    {
        using ScriptedRelay relay = ScriptedRelay.Ready(new EdgeClientOptions { MaxPendingRequests = 2, MaxPorts = 2 });
        Assert.NotEqual(0u, relay.Session.Ping());
        Assert.NotEqual(0u, relay.Session.Ping());
        Assert.Equal(0u, relay.Session.Ping());
        for (uint i = 1; i <= 3; i++)
        {
            relay.Writer.WritePortOpenRequest(i, "tcp:1"u8, PortRef.FromUInt32(i), Other);
        }

        relay.Deliver();
        Assert.Equal(2, relay.Events.Incoming.Count);
        Assert.Equal("error", relay.Take()[^1].Word);
        Assert.Equal(0u, relay.Session.PortOpen(Other, "tcp:1"u8));
    }

    [Fact]
    public void Unanswered_requests_fail_in_time_and_at_the_end()
    {
        using ScriptedRelay relay = ScriptedRelay.Ready();
        uint ping = relay.Session.Ping();
        uint open = relay.Session.PortOpen(Other, "tcp:1"u8);
        relay.Session.Tick(ScriptedRelay.Now + 29_999);
        Assert.Empty(relay.Events.Log);
        relay.Session.Tick(ScriptedRelay.Now + 30_000);
        Assert.Equal([$"response {ping} error timeout"], relay.Events.Log);
        relay.Session.Tick(ScriptedRelay.Now + 40_000);
        Assert.Equal([$"response {ping} error timeout", $"failed {open} timeout"], relay.Events.Log);
        relay.Events.Log.Clear();
        relay.Take();

        PortRef port = relay.OpenPort();
        uint last = relay.Session.GetNode(Other);
        relay.Session.Close("gone");
        Assert.Equal([$"response {last} error session closed", $"closed {port}"], relay.Events.Log);
        Assert.Equal("gone", relay.Session.Failure);
    }

    [Fact]
    public void Garbage_ends_the_session_with_a_reason_and_unknown_commands_do_not()
    {
        using ScriptedRelay relay = ScriptedRelay.Ready();
        relay.Writer.Begin(1, "blockheader"u8).WriteUInt64(5);
        relay.Writer.End();
        Assert.True(relay.Deliver());
        relay.Writer.WriteFrame([1, 2, 3]);
        relay.Writer.WriteResponse(1, "never read"u8);
        Assert.False(relay.Deliver());
        Assert.Contains("no message", relay.Session.Failure, StringComparison.Ordinal);
    }

    [Fact]
    public void Goodbye_notify_and_physical_ports_are_told()
    {
        using ScriptedRelay relay = ScriptedRelay.Ready();
        relay.Writer.WriteNotify(1, "warning", "fleet_not_found", "Fleet is not registered\non this chain");
        relay.Writer.WritePortOpen2Request(2, "51820"u8, 40_000, Other, "rwu"u8);
        relay.Writer.WritePortClose2(3, 40_000);
        relay.Writer.WriteGoodbye(4, "shutdown", "back soon");
        Assert.False(relay.Deliver());
        Assert.Equal(
            [
                "notify warning fleet_not_found Fleet is not registered?on this chain",
                "physical 40000 51820 udp",
                "physical closed 40000",
                "goodbye shutdown back soon",
            ],
            relay.Events.Log);
    }

    [Fact]
    public void A_refused_hello_ends_the_session()
    {
        using var relay = new ScriptedRelay();
        relay.Session.Start(ScriptedRelay.Now);
        relay.Writer.WriteError(relay.Take()[0].Id, "version not supported");
        Assert.False(relay.Deliver());
        Assert.Contains("version not supported", relay.Session.Failure, StringComparison.Ordinal);
    }

    [Fact]
    public void Portsend_and_receiving_it_allocate_nothing()
    {
        using ScriptedRelay relay = ScriptedRelay.Ready();
        PortRef port = relay.OpenPort();
        relay.Events.Quiet = true;
        byte[] data = new byte[1400];
        byte[] sink = new byte[4096];
        byte[] frame = new byte[4096];

        // What this side sends has the form of what it receives.
        relay.Session.PortSend(port, data);
        int length = relay.Session.ReadOutput(frame);
        for (int i = 0; i < 1000; i++)
        {
            RunOnce(relay, port, data, sink, frame.AsSpan(0, length));
        }

        Assert.Equal(0, AllocationProbe.Fewest(() =>
        {
            for (int i = 0; i < 10_000; i++)
            {
                RunOnce(relay, port, data, sink, frame.AsSpan(0, length));
            }
        }));
        Assert.True(relay.Events.DataBytes >= 20_000L * data.Length);
    }

    private static void RunOnce(ScriptedRelay relay, PortRef port, byte[] data, byte[] sink, ReadOnlySpan<byte> frame)
    {
        relay.Session.PortSend(port, data);
        relay.Session.ReadOutput(sink);
        relay.Session.Receive(frame, ScriptedRelay.Now);

        // Cut in the middle, so that the reader's partial path runs too.
        relay.Session.Receive(frame[..700], ScriptedRelay.Now);
        relay.Session.Receive(frame[700..], ScriptedRelay.Now);
    }
}
