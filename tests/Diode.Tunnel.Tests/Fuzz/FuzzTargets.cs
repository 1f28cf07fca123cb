using System.Buffers;
using Diode.Tunnel.Edge.Bert;
using Diode.Tunnel.Edge.Framing;
using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.Edge.Messages;
using Diode.Tunnel.Edge.Objects;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Engine.Names;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.Rlp;
using Diode.Tunnel.Ethereum.Sapphire;
using Diode.Tunnel.Platform.Tls;
using Diode.Tunnel.Relay.RelayPeers;
using Diode.Tunnel.Testing.Relay;
using Diode.Tunnel.Tests.Platform.Tls;
using Diode.Tunnel.Tests.Relay.RelayPeers;
using Diode.Tunnel.WireGuard;
using Xunit;

namespace Diode.Tunnel.Tests.Fuzz;

/// <summary>What reads bytes from the network, by the name of its folder of seeds. Each makes a fresh world and takes one input after the other.</summary>
internal static class FuzzTargets
{
    public static IReadOnlyDictionary<string, Func<Action<byte[]>>> All { get; } = new Dictionary<string, Func<Action<byte[]>>>
    {
        ["bert"] = () => input =>
        {
            bool safe = BertDecoder.TryDecode(input, BertAtoms.Known, out _);
            bool any = BertDecoder.TryDecode(input, BertAtoms.Any, out BertTerm? term);
            Assert.True(any || !safe);
            Assert.True(!any || BertDecoder.TryDecode(BertEncoder.Encode(term!), BertAtoms.Any, out _));
        },
        ["certificates"] = () => input => DeviceCertificate.TryParse(input, out _),
        ["dns"] = () => ReadDns,
        ["edge-frames"] = EdgeFrames,
        ["local-addresses"] = () => input => LocalAddress.Read(input),
        ["objects"] = () => ReadObject,
        ["peer-frames"] = PeerFramesOfSession,
        ["peer-terms"] = () => input =>
        {
            if (PeerFrames.TryRead(input, out BertTerm? term))
            {
                _ = term.Items.Count(item => PeerTerms.TryReadNode(item, out _));
            }
        },
        ["rlp"] = () => input =>
        {
            bool decoded = RlpItem.TryDecode(input, out RlpItem? item);
            Assert.Equal(decoded, RlpReader.IsWellFormed(input));
            Assert.True(!decoded || RlpItem.TryDecode(item!.Encode(), out _));
        },
        ["sapphire"] = Sapphire,
        ["tickets"] = () => ReadTicket,
        ["tls-client-hello"] = TlsServer,
        ["wireguard"] = WireGuardReceiver,
    };

    private static Action<byte[]> Sapphire()
    {
        Assert.True(SapphireEnvelope.TryCreate([9, .. new byte[31]], 1, Enumerable.Repeat((byte)7, 32).ToArray(), new byte[15], out SapphireEnvelope? envelope));
        return input =>
        {
            // Nobody but the runtime can make an answer, nor a refusal that counts.
            SapphireReply reply = envelope.ReadReply(input);
            Assert.False(reply.IsOk || reply.IsRefusal);
            _ = SapphireReply.FromPlain(input);
            new CborReader(input).TrySkip();
        };
    }

    private static void ReadDns(byte[] input)
    {
        if (!DnsMessage.TryReadQuery(input, out _))
        {
            return;
        }

        int offset = 12;
        if (DnsMessage.TryReadName(input, ref offset, out _))
        {
            while (offset < input.Length && DnsMessage.TryReadRecord(input, ref offset, out _))
            {
            }
        }
    }

    private static void ReadObject(byte[] input)
    {
        DiodeObject.TryRead(input, out _);
        ServerObject.TryReadBert(input, out _);
        DataObject.TryReadBert(input, out _);
    }

    private static void ReadTicket(byte[] input)
    {
        if (Ticket.TryReadObject(input, out Ticket? ticket) || Ticket.TryReadBert(input, out ticket))
        {
            ticket.ReadLocalAddress();
            Assert.True(ticket.ClientAge >= 0 && ticket.Score >= 0);
        }

        if (EdgeEnvelope.TryRead(input, out EdgeEnvelope envelope))
        {
            TicketV1.TryReadSubmission(envelope.Arguments, Address.Zero, out _);
            TicketV2.TryReadSubmission(envelope.Arguments, Address.Zero, out _);
            TicketV2.TryReadSummary(envelope.Arguments, Address.Zero, Address.Zero, out _);
        }
    }

    // A whole stream of a device, as the relay sees it; another device must not notice.
    private static Action<byte[]> EdgeFrames()
    {
        var world = new RelayWorld();
        RelayPeer witness = world.Connect();
        return input =>
        {
            RelayPeer attacker = world.Connect();
            attacker.Session.Edge.Receive(input, world.NowMs);
            attacker.Disconnect();
            using var reader = new FrameReader();
            ReadOnlySpan<byte> rest = input;
            while (reader.TryRead(ref rest, out ReadOnlySpan<byte> payload))
            {
                EdgeEnvelope.TryRead(payload, out _);
            }

            FrameOutbox outbox = witness.Session.Edge.Output;
            while (outbox.TryPeek(out ReadOnlyMemory<byte> chunk))
            {
                outbox.Advance(chunk.Length);
            }

            Assert.False(witness.Session.IsClosed);
        };
    }

    // A link between relays behind its handshake.
    private static Action<byte[]> PeerFramesOfSession()
    {
        var world = new PeerWorld(capacity: 64);
        PrivateKey peer = PrivateKey.Generate();
        return input =>
        {
            Diode.Tunnel.Relay.RelayPeers.PeerSession session = world.OpenReady(peer);
            session.Receive(input, world.NowMs);
            PeerWorld.Drain(session);
            world.Core.Remove(session, world.NowMs);
            session.Dispose();
        };
    }

    private static Action<byte[]> TlsServer()
    {
        TlsIdentity identity = TestIdentity.Create();
        var plaintext = new ArrayBufferWriter<byte>();
        return input =>
        {
            using TlsEngine server = TlsEngineFactory.Create(TlsRole.Server, identity, static _ => true);
            TlsResult result = server.Receive(input, plaintext);
            Assert.Equal(result == TlsResult.Failed, server.Error is not null);
            Assert.False(server.IsHandshakeComplete);
            Assert.Equal(0, plaintext.WrittenCount);
        };
    }

    // Nobody knows the keys of this interface: whatever comes, nothing is delivered.
    private static Action<byte[]> WireGuardReceiver()
    {
        byte[] key = [.. Enumerable.Repeat((byte)7, 32)];
        var receiver = new WireGuardInterface(key, new WireGuardOptions { UtcNow = static () => DateTimeOffset.UnixEpoch }, new SilentOutput());
        long now = 0;
        return input =>
        {
            now += TimeSpan.TicksPerMillisecond;
            ReceiveResult result = receiver.Receive([.. input], "somewhere", [127, 0, 0, 1, 1, 1], now, out Peer? peer, out _, out _);
            Assert.True(result.Status is ReceiveStatus.Dropped or ReceiveStatus.Handled && peer is null);
        };
    }

    private sealed class SilentOutput : IWireGuardOutput
    {
        public void Send(Peer? peer, object? endpoint, ReadOnlySpan<byte> datagram)
        {
        }

        public void OnSessionEstablished(Peer peer)
        {
        }

        public void OnHandshakeFailed(Peer peer)
        {
        }
    }
}
