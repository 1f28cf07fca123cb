using System.Text;
using Diode.Tunnel.Edge;
using Diode.Tunnel.Edge.Bert;
using Diode.Tunnel.Edge.Framing;
using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.Edge.Messages;
using Diode.Tunnel.Edge.Objects;
using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.Rlp;
using Diode.Tunnel.Testing;
using Xunit;

namespace Diode.Tunnel.Tests.Edge;

/// <summary>
/// Every decoder over 100,000 damaged inputs: none throws, none hangs. What is accepted must hold together, e.g. be
/// encoded and read again.
/// </summary>
public sealed class DecoderMutationTests : IDisposable
{
    private const int Inputs = 100_000;

    private readonly PrivateKey _device = Key("0a9b416a66e0ac7561b8f08d21fc774a5c5f00e0873e7987d0057a7860fbbcd7");
    private readonly PrivateKey _relay = Key("2ca5ba02ab70aa528cc3775795182e9e0b168f56f725d765aea82faeb1aaa7be");

    public void Dispose()
    {
        _device.Dispose();
        _relay.Dispose();
    }

    [Fact]
    public void Rlp()
    {
        var mutator = new InputMutator(1, TicketObject(), ServerRlp(signed: true), Hex("c7c0c1c0c3c0c1c0"), Hex("bfffffffffffffffff"));
        int accepted = 0;
        for (int i = 0; i < Inputs; i++)
        {
            ReadOnlySpan<byte> input = mutator.Next();
            bool decoded = RlpItem.TryDecode(input, out RlpItem? item);
            Assert.Equal(decoded, RlpReader.IsWellFormed(input));
            if (decoded)
            {
                accepted++;
                Assert.True(RlpItem.TryDecode(item!.Encode(), out _));
            }
        }

        Assert.InRange(accepted, 1000, Inputs - 1000);
    }

    [Fact]
    public void Envelopes_and_messages()
    {
        byte[][] frames = EveryMessage();
        var mutator = new InputMutator(2, frames);
        int accepted = 0;
        for (int i = 0; i < Inputs; i++)
        {
            if (EdgeEnvelope.TryRead(mutator.Next(), out EdgeEnvelope envelope))
            {
                accepted += ReadAsBothSides(envelope, _relay.Address) ? 1 : 0;
            }
        }

        Assert.InRange(accepted, 1000, Inputs - 1000);
    }

    [Fact]
    public void Frames()
    {
        using var output = new OutputBuffer();
        var writer = new EdgeMessageWriter(output);
        foreach (byte[] payload in EveryMessage())
        {
            writer.WriteFrame(payload);
        }

        var mutator = new InputMutator(3, output.WrittenMemory.ToArray());
        using var reader = new FrameReader();
        long frames = 0;
        for (int i = 0; i < Inputs / 10; i++)
        {
            // Ten pieces per stream: the reader is fed 100,000 times; every other stream begins where the last one ended.
            ReadOnlySpan<byte> stream = mutator.Next();
            if (i % 2 == 0)
            {
                reader.Dispose();
            }

            for (int piece = 0; piece < 10; piece++)
            {
                ReadOnlySpan<byte> input = stream[..(piece == 9 ? stream.Length : mutator.Below(stream.Length))];
                stream = stream[input.Length..];
                while (reader.TryRead(ref input, out ReadOnlySpan<byte> payload))
                {
                    Assert.InRange(payload.Length, 1, EdgeLimits.MaxFramePayload);
                    frames++;
                }

                Assert.True(input.IsEmpty);
                Assert.InRange(reader.Buffered, 0, EdgeLimits.MaxFramePayload + 1);
            }
        }

        Assert.True(frames > 1000);
    }

    [Fact]
    public void Datagram_streams()
    {
        byte[] stream = new byte[1024];
        int length = 0;
        foreach (int size in new[] { 0, 1, 5, 300, 64 })
        {
            length += DatagramStreamWriter.Write(stream.AsSpan(length), new byte[size]);
        }

        var mutator = new InputMutator(4, stream[..length]);
        long datagrams = 0;
        int broken = 0;
        for (int i = 0; i < Inputs; i++)
        {
            using var reader = new DatagramStreamReader();
            ReadOnlySpan<byte> input = mutator.Next();
            ReadOnlySpan<byte> first = input[..mutator.Below(input.Length)];
            ReadOnlySpan<byte> second = input[first.Length..];
            while (reader.TryRead(ref first, out ReadOnlySpan<byte> datagram))
            {
                datagrams += datagram.Length <= EdgeLimits.MaxDatagram ? 1 : 0;
            }

            while (reader.TryRead(ref second, out ReadOnlySpan<byte> datagram))
            {
                datagrams += datagram.Length <= EdgeLimits.MaxDatagram ? 1 : 0;
            }

            Assert.True(reader.IsBroken || second.IsEmpty);
            Assert.InRange(reader.Buffered, 0, EdgeLimits.MaxDatagram + DatagramStreamWriter.HeaderLength);
            broken += reader.IsBroken ? 1 : 0;
        }

        Assert.True(datagrams > Inputs && broken > 1000);
    }

    [Fact]
    public void Certificates()
    {
        byte[] good = DeviceCertificate.Create(_device);
        var mutator = new InputMutator(5, good);
        int accepted = 0;
        for (int i = 0; i < Inputs; i++)
        {
            accepted += DeviceCertificate.TryParse(mutator.Next(), out PublicKey? key) && !key.Address.IsZero ? 1 : 0;
        }

        Assert.InRange(accepted, 1000, Inputs - 1000);
    }

    [Fact]
    public void Ticket_objects()
    {
        var mutator = new InputMutator(6, TicketObject(), TicketV1Object());
        int accepted = 0;
        for (int i = 0; i < Inputs; i++)
        {
            if (Ticket.TryReadObject(mutator.Next(), out Ticket? ticket))
            {
                accepted++;
                ticket.ReadLocalAddress();
                ticket.IsRecentAt(1_770_000_000, 5);
                Assert.True(ticket.ClientAge >= 0 && ticket.Score >= 0);
            }
        }

        Assert.InRange(accepted, 1000, Inputs - 1000);
    }

    [Fact]
    public void Ticket_objects_as_terms()
    {
        Assert.True(Ticket.TryReadObject(TicketObject(), out Ticket? ticket));
        var mutator = new InputMutator(7, ticket.EncodeBert());
        int accepted = 0;
        for (int i = 0; i < Inputs; i++)
        {
            accepted += Ticket.TryReadBert(mutator.Next(), out _) ? 1 : 0;
        }

        Assert.InRange(accepted, 1000, Inputs - 1000);
    }

    [Fact]
    public void Server_and_data_objects()
    {
        // The recovery id 2 makes the last step, the costly recovery, fail at once; few inputs run it in full.
        byte[] data = Encode(DataObject.Create(_device, 7, "name"u8, "value"u8).WriteRlp);
        data[^65] = 2;
        var cheap = new InputMutator(8, ServerRlp(signed: false), data);
        var full = new InputMutator(9, ServerRlp(signed: true));
        int accepted = 0;
        for (int i = 0; i < Inputs; i++)
        {
            DiodeObject.TryRead(cheap.Next(), out _);
            if (i % 1000 == 0)
            {
                accepted += DiodeObject.TryRead(full.Next(), out _) ? 1 : 0;
            }
        }

        Assert.True(accepted > 10);
    }

    [Fact]
    public void Server_objects_as_terms()
    {
        Assert.True(ServerObject.TryReadRlp(ServerRlp(signed: true), out ServerObject? server));
        byte[] encoded = server.EncodeBert();
        encoded[^66] = 2;
        var mutator = new InputMutator(10, encoded);
        for (int i = 0; i < Inputs; i++)
        {
            ServerObject.TryReadBert(mutator.Next(), out _);
        }
    }

    [Fact]
    public void Terms()
    {
        BertTerm one = BertTerm.FromNumber(1);
        BertTerm everything = BertTerm.FromList(
            BertTerm.FromNumber(-5),
            BertTerm.FromNumber((System.Numerics.BigInteger)1 << 70),
            BertTerm.FromText("text"),
            BertTerm.FromBits([0xff, 0x80], 3),
            BertTerm.FromList(one, one),
            BertTerm.FromTuple(BertTerm.FromAtom("ping"), BertTerm.EmptyList),
            BertTerm.FromMap(BertTerm.FromAtom("value"), one, one, BertTerm.FromList(BertTerm.FromReal(1.5))));
        var mutator = new InputMutator(
            11, BertEncoder.Encode(everything), BertEncoder.Encode(everything, utf8Atoms: true), Hex("836cffffffff6101"));
        int accepted = 0;
        for (int i = 0; i < Inputs; i++)
        {
            ReadOnlySpan<byte> input = mutator.Next();
            bool safe = BertDecoder.TryDecode(input, BertAtoms.Known, out _);
            bool any = BertDecoder.TryDecode(input, BertAtoms.Any, out BertTerm? term);
            Assert.True(any || !safe);
            if (any)
            {
                accepted++;
                Assert.True(BertDecoder.TryDecode(BertEncoder.Encode(term!), BertAtoms.Any, out _));
            }
        }

        Assert.InRange(accepted, 1000, Inputs - 1000);
    }

    [Fact]
    public void Local_addresses()
    {
        byte[] good = LocalAddress.Encode([_relay.Address, _device.Address], 1_770_000_000, new byte[32], 1);
        byte[] other = [0, .. _relay.Address.ToArray()];
        var mutator = new InputMutator(12, good, other);
        int understood = 0;
        for (int i = 0; i < Inputs; i++)
        {
            LocalAddress local = LocalAddress.Read(mutator.Next());
            Assert.NotEmpty(local.PreferredRelays(_relay.Address));
            Assert.True(!local.HasTunnelKey || local.TunnelKey.Length == LocalAddress.TunnelKeyLength);
            understood += local.Form == LocalAddressForm.None ? 0 : 1;
        }

        Assert.InRange(understood, 1000, Inputs - 1000);
    }

    [Fact]
    public void Relay_uris()
    {
        var mutator = new InputMutator(
            13,
            Encoding.ASCII.GetBytes(new RelayUri(_relay.Address, "relay.example", 41046).ToString()),
            Encoding.ASCII.GetBytes(new RelayUri(_relay.Address, "2001:db8::1", 443).ToString()));
        int accepted = 0;
        for (int i = 0; i < Inputs; i++)
        {
            if (RelayUri.TryParse(Encoding.Latin1.GetString(mutator.Next()), out RelayUri? uri))
            {
                accepted++;
                Assert.True(RelayUri.TryParse(uri.ToString(), out RelayUri? again));
                Assert.Equal(uri, again);
            }
        }

        Assert.InRange(accepted, 1000, Inputs - 1000);
    }

    /// <summary>Reads an envelope as whatever either side could take it for.</summary>
    private static bool ReadAsBothSides(in EdgeEnvelope envelope, Address relay)
    {
        RlpReader arguments = envelope.Arguments;
        return envelope.Command switch
        {
            EdgeCommand.Hello => HelloMessage.TryRead(arguments, out _),
            EdgeCommand.Ticket => TicketV1.TryReadSubmission(arguments, relay, out _),
            EdgeCommand.TicketV2 => TicketV2.TryReadSubmission(arguments, relay, out _)
                | TicketV2.TryReadSummary(arguments, relay, relay, out _),
            EdgeCommand.TicketRequest => TicketRequestMessage.TryRead(arguments, out _),
            EdgeCommand.GetObject or EdgeCommand.GetNodes => ObjectKeyMessage.TryRead(arguments, out _),
            EdgeCommand.GetNode => GetNodeMessage.TryRead(arguments, out _),
            EdgeCommand.PortOpen => PortOpenMessage.TryRead(arguments, out _)
                | PortOpenRequestMessage.TryRead(arguments, out _),
            EdgeCommand.PortSend => PortSendMessage.TryRead(arguments, out _),
            EdgeCommand.PortClose => PortCloseMessage.TryRead(arguments, out _),
            EdgeCommand.PortOpen2 => PortOpen2Message.TryRead(arguments, out _)
                | PortOpen2RequestMessage.TryRead(arguments, out _),
            EdgeCommand.PortClose2 => PortClose2Message.TryRead(arguments, out _),
            EdgeCommand.Goodbye => GoodbyeMessage.TryRead(arguments, out _),
            EdgeCommand.Notify => NotifyMessage.TryRead(arguments, out _),
            EdgeCommand.Response or EdgeCommand.Error => EdgeReply.TryRead(envelope, out EdgeReply reply)
                & (PortAnswerMessage.TryRead(envelope, out _) | reply.GetErrorMessage().Length >= 0),
            _ => false,
        };
    }

    private byte[][] EveryMessage()
    {
        using var output = new OutputBuffer();
        var writer = new EdgeMessageWriter(output);
        PortRef port = PortRef.FromUInt32(0x2abbccdd);
        Assert.True(Ticket.TryReadObject(TicketObject(), out Ticket? ticket));
        writer.WriteHello(1, 1001, zlib: true);
        writer.WriteCommand(2, "ping"u8);
        writer.WriteTicket(3, ticket);
        writer.WriteTicketRequest(4, 5_000_000);
        writer.WriteGetObject(5, _device.Address.ToArray());
        writer.WriteGetNode(6, _relay.Address);
        writer.WriteGetNodes(7, new byte[32]);
        writer.WritePortOpen(8, _device.Address, "tls:22"u8, "rw"u8);
        writer.WritePortOpenRequest(9, "tls:22"u8, port, _device.Address);
        writer.WritePortAccept(10, port);
        writer.WritePortReject(11, port, "no");
        writer.WritePortOpened(12, port);
        writer.WritePortSend(13, port, "hello"u8);
        writer.WritePortClose(14, port);
        writer.WritePortOpen2(15, _device.Address, "51820"u8, "rwu"u8);
        writer.WritePortOpen2Request(16, "51820"u8, 4000, _device.Address, "rwu"u8);
        writer.WritePortClose2(17, 4000);
        writer.WriteGoodbye(18, "reason", "text");
        writer.WriteNotify(19, "warning", "code", "text");
        writer.WriteError(20, 401, "bad input");
        writer.WriteResponseItem(21, TicketObject());
        using var reader = new FrameReader();
        ReadOnlySpan<byte> input = output.WrittenMemory.Span;
        var payloads = new List<byte[]>();
        while (reader.TryRead(ref input, out ReadOnlySpan<byte> payload))
        {
            payloads.Add(payload.ToArray());
        }

        return [.. payloads];
    }

    private byte[] TicketObject()
    {
        Ticket ticket = new TicketV2
        {
            ChainId = 1284,
            EpochNumber = 682,
            Fleet = _device.Address,
            Server = _relay.Address,
            TotalConnections = 1,
            TotalBytes = 4_194_304,
            LocalAddress = LocalAddress.Encode([_relay.Address], 1_770_000_000),
        };
        return Encode(ticket.Sign(_device).Countersign(_relay).WriteObject);
    }

    private byte[] TicketV1Object()
    {
        Ticket ticket = new TicketV1
        {
            BlockNumber = 6_406_857,
            BlockHash = default(Hash256),
            Fleet = _device.Address,
            Server = _relay.Address,
            TotalConnections = 1,
            TotalBytes = 4_194_304,
        };
        return Encode(ticket.Sign(_device).Countersign(_relay).WriteObject);
    }

    private byte[] ServerRlp(bool signed)
    {
        ServerObject server = ServerObject.Create(
            _relay,
            "192.0.2.1",
            41046,
            51055,
            "1.2.3",
            new KeyValuePair<string, ServerValue>("tickets", ServerValue.FromNumber(5)),
            new KeyValuePair<string, ServerValue>("name", ServerValue.FromText("test@host")));
        byte[] encoded = Encode(server.WriteRlp);
        if (!signed)
        {
            encoded[^65] = 2;
        }

        return encoded;
    }

    private static byte[] Encode(Action<RlpWriter> write)
    {
        var rlp = new RlpWriter();
        write(rlp);
        return rlp.ToArray();
    }

    private static byte[] Hex(string text)
    {
        return Convert.FromHexString(text);
    }

    private static PrivateKey Key(string hex)
    {
        return PrivateKey.TryFromBytes(Hex(hex), out PrivateKey? key) ? key : throw new InvalidOperationException();
    }
}
