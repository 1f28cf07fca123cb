using System.Text;
using Diode.Tunnel.Edge;
using Diode.Tunnel.Edge.Framing;
using Diode.Tunnel.Edge.Messages;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Rlp;
using Diode.Tunnel.Testing;
using Xunit;

namespace Diode.Tunnel.Tests.Edge.Sessions;

public sealed class ClientCommandTests
{
    private static readonly Address Other = Address.Parse("0x960c3362c86aac83b6f67907e4f0736ee48d9a81");

    [Fact]
    public void Commands_have_the_form_of_the_protocol()
    {
        using ScriptedRelay relay = ScriptedRelay.Ready();
        EdgeClientSession session = relay.Session;
        Assert.NotEqual(0u, session.GetVersion());
        Assert.NotEqual(0u, session.IsOnline(Other));
        Assert.NotEqual(0u, session.Rpc("sapphire", "eth_chainId", "[]"));
        Assert.NotEqual(0u, session.Subscribe("glmr"));
        Assert.NotEqual(0u, session.Subscribe(""));
        Assert.True(session.SendMessage(Other, "hi"u8, [new("k", [1])]));
        Assert.NotEqual(0u, session.OpenWireGuard(new byte[32]));
        Assert.NotEqual(0u, session.CloseWireGuard());
        Assert.NotEqual(0u, session.OpenTurn());
        Assert.NotEqual(0u, session.PortOpen2(Other, "51820"u8, "rwu"));
        session.PortClose2(40_000);
        Assert.NotEqual(0u, session.OpenChannel(1284, 5, Other, "mailbox", "n"u8.ToArray(), relay.Device.SignHash(default)));
        Assert.NotEqual(0u, session.PortOpenChannel(default, "tls:1"u8));
        Assert.Equal(
            [
                "version", "isonline", "sapphire:rpc eth_chainId []", "glmr:subscribe", "subscribe", "message", "wireguard open",
                "wireguard close", "turnopen", "portopen2", "portclose2", "channel", "portopen",
            ],
            relay.Take().Select(static sent => sent.Word + Texts(sent)));
        Assert.Throws<ArgumentException>(() => session.OpenWireGuard(new byte[31]));
        Assert.Throws<ArgumentException>(() => session.PortOpen(Other, "tls:1"u8, "s"));
        Assert.Throws<ArgumentException>(() => session.PortOpen(Other, "tls:1"u8, "rwx"));
        Assert.NotEqual(0u, session.PortOpen(Other, "tls:1"u8, "rwstp"));
    }

    [Fact]
    public void Too_long_a_request_is_refused_and_forgotten()
    {
        using ScriptedRelay relay = ScriptedRelay.Ready();
        Assert.Equal(0u, relay.Session.Request("glmr:sendtransaction"u8, static rlp => rlp.WriteBytes(new byte[70_000])));
        Assert.False(relay.Session.SendMessage(Other, new byte[70_000]));
        Assert.Equal((0, 0), (relay.Session.PendingRequestCount, relay.Session.PendingOutput));
    }

    [Fact]
    public void Answers_are_read_by_type()
    {
        Check(w => w.WriteUInt64(7), (in EdgeReply r) => Assert.True(EdgeAnswers.TryReadSigned(r, out long n) && n == -3));
        Check(w => w.WriteUInt64(8), (in EdgeReply r) => Assert.True(EdgeAnswers.TryReadSigned(r, out long n) && n == 4));
        Check(w => w.WriteBytes([0]), (in EdgeReply r) => Assert.True(EdgeAnswers.TryReadSigned(r, out long n) && n == 0));
        Check(w => w.WriteBytes([0, 5]), (in EdgeReply r) => Assert.True(EdgeAnswers.TryReadNumber(r, out ulong n) && n == 5));
        Check(w => w.WriteBytes(new byte[9]), (in EdgeReply r) => Assert.True(EdgeAnswers.TryReadNumber(r, out ulong n) && n == 0));
        Check(w => w.WriteUInt64(1), (in EdgeReply r) => Assert.True(EdgeAnswers.TryReadOnline(r, out bool online) && online));
        Check(w => w.WriteUInt64(0), (in EdgeReply r) => Assert.True(EdgeAnswers.TryReadOnline(r, out bool online) && !online));
        Check(w => w.WriteText("ok"), (in EdgeReply r) => Assert.True(EdgeAnswers.IsOk(r)));
        Check(w => w.WriteText("{}"), (in EdgeReply r) => Assert.True(EdgeAnswers.TryReadText(r, out string? text) && text == "{}"));
        Check(w => w.WriteText(""), (in EdgeReply r) => Assert.True(EdgeAnswers.TryReadNode(r, out var node) && node is null));
        Check(w => w.WriteText("x"), (in EdgeReply r) => Assert.False(EdgeAnswers.TryReadNode(r, out _)));
        Check(
            w =>
            {
                w.WriteText("ok");
                w.WriteUInt64(40_000);
            },
            (in EdgeReply r) => Assert.True(EdgeAnswers.TryReadPhysicalPort(r, out ushort port) && port == 40_000));
        Check(
            w =>
            {
                w.WriteText("2.2.3");
                w.WriteText("v2");
                w.WriteText("turn,wg_exit");
            },
            (in EdgeReply r) => Assert.True(
                EdgeAnswers.TryReadVersion(r, out string version, out _, out string features)
                && (version, features) == ("2.2.3", "turn,wg_exit")));
    }

    [Fact]
    public void Answers_of_any_shape_are_read_without_harm()
    {
        byte[] seed = [0xce, 0x82, (byte)'o', (byte)'k', 0x82, 1, 2, 0xc5, 0xc4, 0x81, 0x99, 0x82, 1, 2, 0x80];
        var mutator = new InputMutator(3, seed);
        for (int i = 0; i < 100_000; i++)
        {
            byte[] input = mutator.Next().ToArray();
            Check(w => w.WriteRaw(input), (in EdgeReply reply) =>
            {
                EdgeAnswers.TryReadSigned(reply, out _);
                EdgeAnswers.TryReadNumber(reply, out _);
                EdgeAnswers.TryReadOnline(reply, out _);
                EdgeAnswers.TryReadNode(reply, out _);
                EdgeAnswers.TryReadNodes(reply, out _);
                EdgeAnswers.TryReadPhysicalPort(reply, out _);
                EdgeAnswers.TryReadText(reply, out _);
                EdgeAnswers.TryReadVersion(reply, out _, out _, out _);
                EdgeAnswers.TryReadPair(reply, "k"u8, out _);
            });
        }
    }

    [Fact]
    public void Messages_headers_and_traces_are_told()
    {
        using ScriptedRelay relay = ScriptedRelay.Ready();
        RlpWriter rlp = relay.Writer.Begin(1, "message_received"u8);
        rlp.WriteText("hello");
        rlp.BeginList();
        rlp.EndList();
        relay.Writer.End();
        rlp = relay.Writer.Begin(2, "blockheader"u8);
        rlp.WriteUInt64(1284);
        rlp.BeginList();
        rlp.EndList();
        relay.Writer.End();
        rlp = relay.Writer.Begin(3, "trace"u8);
        rlp.WriteUInt64(99);
        rlp.WriteText("relay");
        rlp.WriteText("portopen");
        relay.Writer.End();
        relay.Writer.Begin(4, "message_received"u8);
        relay.Writer.End();
        relay.Writer.Begin(5, "of the future"u8).WriteUInt64(1);
        relay.Writer.End();
        Assert.True(relay.Deliver());
        Assert.Equal(["message hello", "block 1284", "trace 99 relay portopen"], relay.Events.Log);
        Assert.Equal(2, relay.Session.IgnoredMessages);
    }

    [Fact]
    public void A_physical_port_is_answered_once()
    {
        using ScriptedRelay relay = ScriptedRelay.Ready();
        relay.Writer.WritePortOpen2Request(2, "51820"u8, 40_000, Other, "rwu"u8);
        relay.Writer.WritePortOpen2Request(3, "51820"u8, 40_001, Other, "rw"u8);
        relay.Writer.WritePortClose2(4, 40_001);
        relay.Deliver();
        Assert.True(relay.Session.AcceptPhysicalPort(2, 40_000));
        Assert.False(relay.Session.AcceptPhysicalPort(2, 40_000));
        Assert.False(relay.Session.RejectPhysicalPort(3, 40_001, "no"));
        Assert.Equal("response", Assert.Single(relay.Take()).Word);
    }

    [Fact]
    public void With_zlib_all_frames_after_hello_are_deflated_and_both_sides_count_alike()
    {
        using var relay = new ScriptedRelay(new EdgeClientOptions { Zlib = true });
        relay.Session.Start(ScriptedRelay.Now);
        List<byte[]> frames = TakeFrames(relay);
        Assert.True(EdgeEnvelope.TryRead(frames[0], out EdgeEnvelope hello) && hello.Command == EdgeCommand.Hello);
        Assert.True(RawDeflate.TryInflate(frames[1], 70_000, out byte[] ticket));
        Assert.True(EdgeEnvelope.TryRead(ticket, out EdgeEnvelope second) && second.Command == EdgeCommand.TicketV2);
        long before = relay.Session.TransferredBytes;
        Assert.Equal(frames.Sum(static f => f.Length), before);

        relay.Writer.Deflates = true;
        relay.Writer.WriteTicketRequest(5, 1000);
        relay.Writer.Begin(second.RequestId, "response"u8).WriteBytes("thanks!"u8);
        relay.Writer.End();
        relay.Writer.Deflates = false;
        relay.Writer.WriteNotify(1, "warning", "plain", "frames are read too");
        Assert.True(relay.Deliver());
        Assert.True(relay.Session.IsReady);
        Assert.Equal("notify warning plain frames are read too", relay.Events.Log[^1]);

        Span<byte> port = stackalloc byte[4];
        relay.Session.PortOpen(Other, "tcp:1"u8);
        Assert.True(RawDeflate.TryInflate(Assert.Single(TakeFrames(relay)), 70_000, out byte[] open));
        Assert.True(EdgeEnvelope.TryRead(open, out EdgeEnvelope opening));
        relay.Writer.WritePortOpened(opening.RequestId, PortRef.FromUInt32(9));
        relay.Deliver();
        Assert.True(relay.Session.PortSend(PortRef.FromUInt32(9), new byte[65_000]));
        byte[] sent = Assert.Single(TakeFrames(relay));
        Assert.True(sent.Length < 1000 && RawDeflate.TryInflate(sent, 70_000, out byte[] data) && data.Length > 65_000);
    }

    [Fact]
    public void Data_that_does_not_shrink_still_fits_a_frame()
    {
        using ScriptedRelay relay = new(new EdgeClientOptions { Zlib = true });
        relay.Session.Start(ScriptedRelay.Now);
        Assert.Equal(2, TakeFrames(relay).Count);
        relay.Session.PortOpen(Other, "tcp:1"u8);
        Assert.True(RawDeflate.TryInflate(Assert.Single(TakeFrames(relay)), 70_000, out byte[] open));
        Assert.True(EdgeEnvelope.TryRead(open, out EdgeEnvelope opening));
        relay.Writer.WritePortOpened(opening.RequestId, PortRef.FromUInt32(9));
        relay.Deliver();
        byte[] noise = new byte[65_000];
        System.Security.Cryptography.RandomNumberGenerator.Fill(noise);
        Assert.True(relay.Session.PortSend(PortRef.FromUInt32(9), noise));
        Assert.True(RawDeflate.TryInflate(Assert.Single(TakeFrames(relay)), 70_000, out _));
    }

    private delegate void ReplyCheck(in EdgeReply reply);

    private static void Check(Action<RlpWriter> write, ReplyCheck check)
    {
        using var output = new OutputBuffer();
        var writer = new EdgeMessageWriter(output);
        RlpWriter rlp = writer.Begin(1, "response"u8);
        write(rlp);
        Assert.True(writer.End());
        if (EdgeEnvelope.TryRead(output.WrittenMemory.Span[EdgeLimits.FrameHeaderLength..], out EdgeEnvelope envelope)
            && EdgeReply.TryRead(envelope, out EdgeReply reply))
        {
            check(reply);
        }
    }

    private static List<byte[]> TakeFrames(ScriptedRelay relay)
    {
        byte[] bytes = new byte[relay.Session.PendingOutput];
        relay.Session.ReadOutput(bytes);
        ReadOnlySpan<byte> input = bytes;
        using var reader = new FrameReader();
        List<byte[]> frames = [];
        while (reader.TryRead(ref input, out ReadOnlySpan<byte> payload))
        {
            frames.Add(payload.ToArray());
        }

        return frames;
    }

    private static string Texts((ulong Id, string Word, RlpItem Message) sent)
    {
        return sent.Word is "wireguard" ? " " + Encoding.ASCII.GetString(sent.Message.Items[1].Bytes.Span)
            : sent.Word.EndsWith(":rpc", StringComparison.Ordinal)
                ? string.Concat(sent.Message.Items.Skip(1).Select(static i => " " + Encoding.ASCII.GetString(i.Bytes.Span)))
                : "";
    }
}
