using Diode.Tunnel.Edge.Bert;
using Diode.Tunnel.Edge.Framing;
using Diode.Tunnel.Edge.Objects;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Relay.Kademlia;
using Diode.Tunnel.Relay.RelayPeers;
using Xunit;

namespace Diode.Tunnel.Tests.Relay.RelayPeers;

/// <summary>One relay under test and the means to talk to it as others would.</summary>
internal sealed class PeerWorld : IDisposable, IFrameOutboxOwner
{
    private readonly Dictionary<Address, byte[]> _hellos = [];

    public PeerWorld(
        PrivateKey? key = null, IEnumerable<Address>? members = null, int capacity = 1000, BlockHashLookup? blocks = null)
    {
        Key = key ?? PrivateKey.Generate();
        Store = new DhtStore(Key.Address, capacity, blocks);
        ServerObject own = MakeServer(Key, 1_795_252_371);
        Core = new PeerCore(Key.Address, _ => own, Store, members ?? []);
    }

    public PrivateKey Key { get; }

    public DhtStore Store { get; }

    public PeerCore Core { get; }

    public long NowMs { get; set; } = 1_795_252_371_000;

    public static ServerObject MakeServer(PrivateKey key, ulong block, string host = "127.0.0.1")
    {
        return ServerObject.Create(key, host, 41046, 51055, "1.0", new KeyValuePair<string, ServerValue>("block", ServerValue.FromNumber(block)));
    }

    public static DhtObject MakeTicket(PrivateKey device, PrivateKey relay, ulong bytes, ulong epoch = 692, ulong? time = null)
    {
        Ticket ticket = new TicketV2
        {
            ChainId = 1284,
            EpochNumber = epoch,
            Fleet = default,
            Server = relay.Address,
            TotalConnections = 1,
            TotalBytes = bytes,
            LocalAddress = time is ulong signed ? LocalAddress.Encode([], signed) : [],
        };
        Assert.True(DhtObject.TryFromTicket(ticket.Sign(device).Countersign(relay), out DhtObject? value));
        return value;
    }

    /// <summary>A link as the shell runs it: registered once the peer has said hello, the older one closed.</summary>
    public PeerSession Open(Address peer)
    {
        return new PeerSession(
            Core, peer, NowMs, this, onReady: session => Core.Add(session, NowMs)?.Close(PeerCloseReason.Replaced));
    }

    /// <summary>A link whose peer has said hello; what was sent so far is dropped.</summary>
    public PeerSession OpenReady(PrivateKey peer)
    {
        if (!_hellos.TryGetValue(peer.Address, out byte[]? hello))
        {
            hello = Frame(PeerTerms.OfHello(MakeServer(peer, 5).EncodeBert()));
            _hellos[peer.Address] = hello;
        }

        PeerSession session = Open(peer.Address);
        Assert.True(session.Receive(hello, NowMs));
        Assert.True(session.IsReady);
        _ = Read(session);
        return session;
    }

    public bool Send(PeerSession session, BertTerm message)
    {
        return session.Receive(Frame(message), NowMs);
    }

    public List<BertTerm> Ask(PeerSession session, BertTerm message)
    {
        Assert.True(Send(session, message));
        return Read(session);
    }

    public static byte[] Frame(BertTerm message)
    {
        using var output = new OutputBuffer();
        PeerFrames.Write(output, message);
        return output.WrittenMemory.ToArray();
    }

    /// <summary>Takes everything that was sent.</summary>
    public static List<BertTerm> Read(PeerSession session)
    {
        using var reader = new PeerFrameReader();
        reader.Append(Drain(session));
        List<BertTerm> messages = [];
        while (reader.TryRead(out ReadOnlySpan<byte> payload))
        {
            Assert.True(PeerFrames.TryRead(payload, out BertTerm? message));
            messages.Add(message);
        }

        Assert.Equal(0, reader.Buffered);
        return messages;
    }

    /// <summary>Takes the bytes that were sent, so many at most.</summary>
    public static byte[] Drain(PeerSession session, int most = int.MaxValue)
    {
        List<byte> taken = [];
        while (taken.Count < most && session.Output.TryPeek(out ReadOnlyMemory<byte> chunk))
        {
            int count = Math.Min(chunk.Length, most - taken.Count);
            taken.AddRange(chunk.Span[..count]);
            session.Output.Advance(count);
        }

        return [.. taken];
    }

    public static BertTerm Message(string tag, params ReadOnlySpan<BertTerm> values)
    {
        return BertTerm.FromList([BertTerm.FromAtom(tag), .. values]);
    }

    public static BertTerm Bin(ReadOnlySpan<byte> bytes)
    {
        return BertTerm.FromBinary(bytes);
    }

    /// <summary>A term as text, for comparisons; maps are written by this relay in one order only.</summary>
    public static string Show(BertTerm term)
    {
        return term.Kind switch
        {
            BertKind.Atom => ":" + term.Atom,
            BertKind.Number => term.Number.ToString(),
            BertKind.Binary => Convert.ToHexStringLower(term.Bytes.Span),
            BertKind.List => $"[{string.Join(", ", term.Items.Select(Show))}]",
            BertKind.Tuple => $"{{{string.Join(", ", term.Items.Select(Show))}}}",
            BertKind.Map => "#{" + string.Join(", ", term.Items.Chunk(2).Select(pair => $"{Show(pair[0])} => {Show(pair[1])}")) + "}",
            _ => term.Kind.ToString(),
        };
    }

    public void OnOutputAvailable()
    {
    }

    public void OnOutputOverflow()
    {
    }

    public void Dispose()
    {
        Key.Dispose();
    }
}
