using Diode.Tunnel.Edge.Framing;
using Diode.Tunnel.Edge.Messages;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Tests.Edge.Sessions;

/// <summary>A client session and the other end of its wire, driven by hand.</summary>
internal sealed class ScriptedRelay : IDisposable
{
    public const long Now = 1_770_000_000_000;

    private readonly OutputBuffer _toClient = new();
    private readonly FrameReader _frames = new();

    public ScriptedRelay(EdgeClientOptions? options = null)
    {
        Writer = new EdgeMessageWriter(_toClient);
        Session = new EdgeClientSession(Device, Key.Address, options ?? new EdgeClientOptions(), Events);
    }

    public PrivateKey Device { get; } = PrivateKey.Generate();

    public PrivateKey Key { get; } = PrivateKey.Generate();

    public RecordingEvents Events { get; } = new();

    public EdgeClientSession Session { get; }

    public EdgeMessageWriter Writer { get; }

    /// <summary>Delivers what was written with <see cref="Writer"/>, in pieces of the given size.</summary>
    public bool Deliver(int piece = int.MaxValue, long now = Now)
    {
        bool alive = true;
        while (_toClient.Length > 0 && alive)
        {
            byte[] bytes = new byte[Math.Min(piece, _toClient.Length)];
            _toClient.Read(bytes);
            alive = Session.Receive(bytes, now);
        }

        return alive;
    }

    /// <summary>Takes everything the client has written, as decoded trees: id, then the message.</summary>
    public List<(ulong Id, string Word, RlpItem Message)> Take()
    {
        byte[] bytes = new byte[Session.PendingOutput];
        Assert(Session.ReadOutput(bytes) == bytes.Length && Session.PendingOutput == 0);
        ReadOnlySpan<byte> input = bytes;
        var messages = new List<(ulong, string, RlpItem)>();
        while (_frames.TryRead(ref input, out ReadOnlySpan<byte> payload))
        {
            Assert(EdgeEnvelope.TryRead(payload, out EdgeEnvelope envelope));
            Assert(RlpItem.TryDecode(payload, out RlpItem? item));
            messages.Add((envelope.RequestId, System.Text.Encoding.ASCII.GetString(envelope.Word), item!.Items[1]));
        }

        return messages;
    }

    /// <summary>Refuses a ticket and shows the one that is held instead.</summary>
    /// <param name="id">The request.</param>
    /// <param name="held">The ticket, unsigned.</param>
    /// <param name="signer">Who has signed it; null for the device.</param>
    public void ReplyTooLow(ulong id, TicketV2 held, PrivateKey? signer = null)
    {
        RlpWriter rlp = Writer.Begin(id, "response"u8);
        rlp.WriteBytes("too_low"u8);
        held.Sign(signer ?? Device).WriteSummary(rlp);
        Writer.End();
        Deliver();
    }

    /// <summary>Answers a ticket and returns to a quiet wire.</summary>
    public void AcceptTicket(ulong paid = 4_194_304)
    {
        foreach ((ulong id, string word, RlpItem _) in Take())
        {
            if (word == "hello")
            {
                Writer.WriteResponse(id, "ok"u8);
            }
            else if (word == "ticketv2")
            {
                RlpWriter rlp = Writer.Begin(id, "response"u8);
                rlp.WriteBytes("thanks!"u8);
                rlp.WriteUInt64(paid);
                Writer.End();
            }
        }

        Deliver();
    }

    /// <summary>A session past its first ticket.</summary>
    public static ScriptedRelay Ready(EdgeClientOptions? options = null)
    {
        var relay = new ScriptedRelay(options);
        relay.Session.Start(Now);
        relay.AcceptTicket();
        relay.Events.Log.Clear();
        return relay;
    }

    /// <summary>Opens a port from the client.</summary>
    public PortRef OpenPort(uint reference = 0x2abbccdd)
    {
        Session.PortOpen(default, "udp:41042"u8);
        Writer.WritePortOpened(Take()[0].Id, PortRef.FromUInt32(reference));
        Deliver();
        Events.Log.Clear();
        return PortRef.FromUInt32(reference);
    }

    public void Dispose()
    {
        Session.Dispose();
        _toClient.Dispose();
        _frames.Dispose();
        Device.Dispose();
        Key.Dispose();
    }

    private static void Assert(bool condition)
    {
        Xunit.Assert.True(condition);
    }
}
