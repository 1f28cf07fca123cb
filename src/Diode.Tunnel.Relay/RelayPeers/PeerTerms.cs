using System.Diagnostics.CodeAnalysis;
using Diode.Tunnel.Edge.Bert;
using Diode.Tunnel.Edge.Objects;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Relay.RelayPeers;

/// <summary>The messages between relays as terms (reference §7.2, §7.3).</summary>
internal static class PeerTerms
{
    public const string Hello = "hello";
    public const string Ping = "ping";
    public const string Pong = "pong";
    public const string FindNode = "find_node";
    public const string FindValue = "find_value";
    public const string Store = "store";
    public const string Response = "response";
    public const string PortOpen = "portopen";
    public const string PortSend = "portsend";
    public const string PortClose = "portclose";
    public const string Call = "call";
    public const string Reply = "reply";

    /// <summary>Ours: so many bytes of a port have reached the device. Real relays ignore it and are never sent it.</summary>
    public const string PortTaken = "porttaken";

    private const string Nil = "nil";
    private const string ObjectKey = "object";
    private const string ServerTag = "server";

    private static readonly BertTerm NilTerm = BertTerm.FromAtom(Nil);

    public static BertTerm Atom(string name) => BertTerm.FromAtom(name);

    public static BertTerm Binary(ReadOnlySpan<byte> bytes) => BertTerm.FromBinary(bytes);

    public static BertTerm OfHello(ReadOnlySpan<byte> serverObject)
    {
        return BertTerm.FromList(Atom(Hello), Binary(serverObject), BertTerm.FromNumber(0), BertTerm.EmptyList);
    }

    public static BertTerm OfResponse(string request, params ReadOnlySpan<BertTerm> values)
    {
        return BertTerm.FromList([Atom(Response), Atom(request), .. values]);
    }

    /// <summary>An answer to call: <c>[reply, id, RLP([[name, text]])]</c>.</summary>
    public static BertTerm OfCallReply(BertTerm id, ReadOnlySpan<byte> name, ReadOnlySpan<byte> text)
    {
        var rlp = new RlpWriter();
        rlp.BeginList();
        rlp.BeginList();
        rlp.WriteBytes(name);
        rlp.WriteBytes(text);
        rlp.EndList();
        rlp.EndList();
        return BertTerm.FromList(Atom(Reply), id, Binary(rlp.WrittenSpan));
    }

    /// <summary>A NODE map; keys in term order.</summary>
    /// <param name="server">Description of the relay.</param>
    /// <param name="lastSeenSeconds">Unix seconds, null for never.</param>
    /// <param name="retries">Failures to connect since then.</param>
    public static BertTerm OfNode(ServerObject server, long? lastSeenSeconds, int retries)
    {
        // The object is told as a tuple with an atom in front; elsewhere it is a list with a text.
        bool decoded = BertDecoder.TryDecode(server.EncodeBert(), BertAtoms.Known, out BertTerm? list);
        BertTerm tuple = decoded ? BertTerm.FromTuple([Atom(ServerTag), .. list!.Items.Skip(1)]) : NilTerm;
        BertTerm wallet = BertTerm.FromTuple(Atom("wallet"), NilTerm, NilTerm, Binary(server.Address.ToArray()));
        return BertTerm.FromMap(
            Atom("__struct__"),
            Atom("Elixir.KademliaLight.Node"),
            Atom("last_seen"),
            lastSeenSeconds is long seconds ? BertTerm.FromNumber(seconds) : NilTerm,
            Atom("node_id"),
            wallet,
            Atom(ObjectKey),
            tuple,
            Atom("retries"),
            BertTerm.FromNumber(retries));
    }

    /// <summary>Reads the object of a NODE map, the only part that proves itself; checks the signature.</summary>
    public static bool TryReadNode(BertTerm node, [NotNullWhen(true)] out ServerObject? server)
    {
        server = null;
        for (int i = 0; node.Kind == BertKind.Map && i < node.Items.Count; i += 2)
        {
            BertTerm value = node.Items[i + 1];
            if (IsAtom(node.Items[i], ObjectKey)
                && value.Kind == BertKind.Tuple
                && value.Items.Count > 0
                && IsAtom(value.Items[0], ServerTag))
            {
                BertTerm list = BertTerm.FromList([BertTerm.FromText(ServerTag), .. value.Items.Skip(1)]);
                return ServerObject.TryReadBert(BertEncoder.Encode(list), out server);
            }
        }

        return false;
    }

    public static bool IsAtom(BertTerm term, string name)
    {
        return term.Kind == BertKind.Atom && string.Equals(term.Atom, name, StringComparison.Ordinal);
    }

    /// <summary>Reads a list that begins with an atom.</summary>
    public static bool TryGetTag(BertTerm message, out string tag)
    {
        bool tagged = message.Kind == BertKind.List && message.Items.Count > 0 && message.Items[0].Kind == BertKind.Atom;
        tag = tagged ? message.Items[0].Atom : "";
        return tagged;
    }

    public static bool TryGetHash(BertTerm term, out Hash256 hash)
    {
        hash = default;
        return term.Kind == BertKind.Binary && Hash256.TryRead(term.Bytes.Span, out hash);
    }

    /// <summary>A ref of a port: up to eight bytes without leading zeros.</summary>
    public static BertTerm OfRef(ulong portRef)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        System.Buffers.Binary.BinaryPrimitives.WriteUInt64BigEndian(bytes, portRef);
        return Binary(bytes.TrimStart((byte)0));
    }

    public static bool TryGetRef(BertTerm term, out ulong portRef)
    {
        portRef = 0;
        return term.Kind == BertKind.Binary && TryGetRef(term.Bytes.Span, out portRef);
    }

    public static bool TryGetRef(ReadOnlySpan<byte> bytes, out ulong portRef)
    {
        portRef = 0;
        if (bytes.Length is 0 or > sizeof(ulong) || bytes[0] == 0)
        {
            return false;
        }

        foreach (byte digit in bytes)
        {
            portRef = (portRef << 8) | digit;
        }

        return true;
    }

    /// <summary><c>[response, portopen, ref, …]</c>: the one response that carries an id.</summary>
    public static bool IsPortAnswer(BertTerm message)
    {
        return message.Items.Count is 4 or 5 && IsAtom(message.Items[1], PortOpen);
    }

    /// <summary>The name of a port travels as a number; texts are read too.</summary>
    public static bool TryGetPortName(BertTerm term, out ReadOnlySpan<byte> name)
    {
        const int maxLength = 1024;
        name = term.Kind switch
        {
            BertKind.Number when term.Number.Sign > 0 => term.Number.ToByteArray(isUnsigned: true, isBigEndian: true),
            BertKind.Binary => term.Bytes.Span.TrimStart((byte)0),
            _ => default,
        };
        return name.Length is > 0 and <= maxLength;
    }

    public static bool TryGetAddress(BertTerm term, out Address address)
    {
        address = default;
        return term.Kind == BertKind.Binary && Address.TryRead(term.Bytes.Span, out address);
    }
}
