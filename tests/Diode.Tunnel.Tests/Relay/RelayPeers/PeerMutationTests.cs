using System.Buffers.Binary;
using Diode.Tunnel.Edge.Bert;
using Diode.Tunnel.Edge.Framing;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Relay.Kademlia;
using Diode.Tunnel.Relay.RelayPeers;
using Diode.Tunnel.Testing;
using Xunit;

namespace Diode.Tunnel.Tests.Relay.RelayPeers;

/// <summary>100,000 damaged inputs each for codec and session: nothing throws, nothing grows, others are not touched.</summary>
public sealed class PeerMutationTests : IDisposable
{
    private const int Inputs = 100_000;

    private readonly PrivateKey _peer = PrivateKey.Generate();
    private readonly PrivateKey _device = PrivateKey.Generate();

    public void Dispose()
    {
        _peer.Dispose();
        _device.Dispose();
    }

    [Fact]
    public void Payloads()
    {
        byte[][] terms = [.. Messages().Select(message => BertEncoder.Encode(message, utf8Atoms: true))];
        var mutator = new InputMutator(7, [.. terms, .. terms.Select(term => RawDeflate.Deflate(term))]);
        int accepted = 0;
        for (int i = 0; i < Inputs; i++)
        {
            if (PeerFrames.TryRead(mutator.Next(), out BertTerm? term))
            {
                accepted++;
                _ = term.Items.Count(item => PeerTerms.TryReadNode(item, out _));
                using var again = new OutputBuffer();
                PeerFrames.Write(again, term);
            }
        }

        Assert.InRange(accepted, 1000, Inputs - 1000);
    }

    [Fact]
    public void Streams()
    {
        using var world = new PeerWorld(capacity: 64);
        using PrivateKey witnessKey = PrivateKey.Generate();
        PeerSession witness = world.OpenReady(witnessKey);
        byte[][] terms = [.. Messages().Select(message => BertEncoder.Encode(message, utf8Atoms: true))];

        // Signatures are slow to check: messages with objects come up less often.
        var mutator = new InputMutator(8, [.. terms, .. terms.Skip(1), .. terms.Where(term => term.Length < 200), .. terms.Where(term => term.Length < 200)]);
        PeerSession session = world.OpenReady(_peer);
        int closed = 0;
        int answered = 0;
        byte[] frame = new byte[PeerLimits.HeaderLength + 4096];
        for (int i = 0; i < Inputs; i++)
        {
            // Mostly terms that can still be read, so that the session gets to see them; sometimes garbage or a damaged length.
            ReadOnlySpan<byte> payload = mutator.Next();
            while (!PeerFrames.TryRead(payload, out _) && mutator.Below(1024) != 0)
            {
                payload = mutator.Next();
            }

            int length = mutator.Below(500) == 0 ? mutator.Below(1 << 18) : payload.Length;
            BinaryPrimitives.WriteInt32BigEndian(frame, length);
            payload.CopyTo(frame.AsSpan(PeerLimits.HeaderLength));
            if (session.PendingRequests == 0)
            {
                _ = session.TryPing(world.NowMs, _ => { });
            }

            _ = session.Receive(frame.AsSpan(0, PeerLimits.HeaderLength + payload.Length), world.NowMs);
            answered += session.Output.Length > 0 ? 1 : 0;
            _ = PeerWorld.Drain(session);
            world.NowMs += 3;
            world.Store.Tick(world.NowMs);
            if (!session.Tick(world.NowMs))
            {
                closed++;
                world.Core.Remove(session, world.NowMs);
                session.Dispose();
                session = world.OpenReady(_peer);
            }
        }

        Assert.InRange(closed, 1000, Inputs / 2);
        Assert.True(answered > Inputs / 4);
        Assert.InRange(world.Store.Count, 1, 64);
        Assert.Single(world.Ask(witness, PeerWorld.Message("ping")));
        Assert.True(world.Core.GetContact(_peer.Address).LastSeenMs > 0);
    }

    private BertTerm[] Messages()
    {
        DhtObject ticket = PeerWorld.MakeTicket(_device, _peer, 5);
        DhtObject server = DhtObject.FromServer(PeerWorld.MakeServer(_peer, 5));
        BertTerm key = PeerWorld.Bin(ticket.Key.ToArray());
        BertTerm node = PeerTerms.OfNode(server.Server!, 5, 0);
        BertTerm map = BertTerm.FromMap(BertTerm.FromAtom("payload"), PeerWorld.Bin("x"u8));
        return
        [
            PeerTerms.OfHello(server.Encoded.Span),
            PeerWorld.Message("ping"),
            PeerWorld.Message("pong"),
            PeerWorld.Message("find_node", key),
            PeerWorld.Message("find_value", key),
            PeerWorld.Message("store", key, PeerWorld.Bin(ticket.Encoded.Span)),
            PeerTerms.OfResponse("find_node", node, node),
            PeerTerms.OfResponse("find_value", PeerWorld.Bin(ticket.Encoded.Span)),
            PeerTerms.OfResponse("store", PeerWorld.Bin("ok"u8)),
            PeerWorld.Message("portopen", BertTerm.FromNumber(80), PeerWorld.Bin([1, 2, 3, 4]), PeerWorld.Bin(Address.Zero.ToArray())),
            PeerWorld.Message("portsend", PeerWorld.Bin([1, 2, 3, 4]), PeerWorld.Bin("data"u8)),
            PeerWorld.Message("call", BertTerm.FromNumber(77), PeerWorld.Bin("forward_message"u8), map),
            BertTerm.FromTuple(BertTerm.FromAtom("ping"), BertTerm.FromReal(1.5), BertTerm.FromBits([0xf0], 4)),
        ];
    }
}
