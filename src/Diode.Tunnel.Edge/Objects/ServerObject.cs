using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Text;
using Diode.Tunnel.Edge.Bert;
using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Edge.Objects;

/// <summary>
/// What a relay says about itself, signed (reference §5.2):
/// <code>["server", host, edge_port, peer_port, version, extra, SIG65]   old: ["server", host, edge_port, peer_port, SIG65]</code>
/// The signature is over SHA256(BERT(list of everything between name and signature)). The relay's address is whoever
/// signed; there is no other validity rule. Immutable.
/// </summary>
public sealed class ServerObject
{
    private const string BlockKey = "block";
    private const string FeaturesKey = "features";
    private const string NameKey = "name";

    private readonly KeyValuePair<string, ServerValue>[] _extra;

    private ServerObject(
        string host,
        ushort edgePort,
        ushort peerPort,
        string? version,
        KeyValuePair<string, ServerValue>[] extra,
        Signature65 signature,
        Address address)
    {
        Host = host;
        EdgePort = edgePort;
        PeerPort = peerPort;
        Version = version;
        _extra = extra;
        Signature = signature;
        Address = address;
    }

    /// <summary>IP address or host name. From the network: check before use.</summary>
    public string Host { get; }

    /// <summary>TCP port of the Edge listener.</summary>
    public ushort EdgePort { get; }

    /// <summary>TCP port of the peer listener.</summary>
    public ushort PeerPort { get; }

    /// <summary>Software version; null in the old form.</summary>
    public string? Version { get; }

    /// <summary>Keys and values in signed order; empty in the old form.</summary>
    public IReadOnlyList<KeyValuePair<string, ServerValue>> Extra => _extra;

    /// <summary>The signature that was read or made.</summary>
    public Signature65 Signature { get; }

    /// <summary>The relay that signed.</summary>
    public Address Address { get; }

    /// <summary>Age number, the relay's chain peak: newest wins. 0 when absent.</summary>
    public BigInteger BlockNumber => Find(BlockKey)?.Number ?? 0;

    /// <summary>Features such as <c>wg_exit</c> or <c>turn</c>.</summary>
    public IReadOnlyList<string> Features =>
        Find(FeaturesKey)?.Text.Split(',', StringSplitOptions.RemoveEmptyEntries) ?? [];

    /// <summary>Where the Edge listener is.</summary>
    public RelayUri EdgeUri => new(Address, Host, EdgePort);

    /// <summary>Where the peer listener is.</summary>
    public RelayUri PeerUri => new(Address, Host, PeerPort);

    /// <summary>Makes and signs an object. Give at least one extra pair: Go cannot verify an empty list.</summary>
    public static ServerObject Create(
        PrivateKey relay,
        string host,
        ushort edgePort,
        ushort peerPort,
        string version,
        params ReadOnlySpan<KeyValuePair<string, ServerValue>> extra)
    {
        return Sign(relay, host, edgePort, peerPort, version, extra.ToArray());
    }

    /// <summary>Makes and signs an object of the old form, which only tests and very old relays use.</summary>
    public static ServerObject CreateOldForm(PrivateKey relay, string host, ushort edgePort, ushort peerPort)
    {
        return Sign(relay, host, edgePort, peerPort, null, []);
    }

    /// <summary>
    /// Reads the form getnode answers. RLP has lost the types: values under <c>name</c> and <c>features</c> are texts,
    /// all others numbers. False when it is damaged or nobody can have signed it.
    /// </summary>
    public static bool TryReadRlp(ReadOnlySpan<byte> encoded, [NotNullWhen(true)] out ServerObject? server)
    {
        server = null;
        return RlpReader.TryReadSingleList(encoded, out RlpReader fields)
            && fields.TryReadBytes(out ReadOnlySpan<byte> name)
            && name.SequenceEqual("server"u8)
            && TryReadFields(fields, out server);
    }

    /// <summary>Reads the form of peers and the DHT, which keeps the types.</summary>
    public static bool TryReadBert(ReadOnlySpan<byte> encoded, [NotNullWhen(true)] out ServerObject? server)
    {
        server = null;
        return BertDecoder.TryDecode(encoded, BertAtoms.Known, out BertTerm? term)
            && term.Kind == BertKind.List
            && TryReadTerms(term.Items, out server);
    }

    /// <summary>The signed bytes.</summary>
    public byte[] GetSignedBert()
    {
        return EncodeSigned(Host, EdgePort, PeerPort, Version, _extra);
    }

    /// <summary>The form of peers and the DHT.</summary>
    public byte[] EncodeBert()
    {
        return BertEncoder.Encode(BertTerm.FromList(
        [
            BertTerm.FromText("server"),
            .. GetTerms(Host, EdgePort, PeerPort, Version, _extra),
            BertTerm.FromBinary(Signature.ToArray()),
        ]));
    }

    /// <summary>Writes the form getnode answers.</summary>
    public void WriteRlp(RlpWriter rlp)
    {
        rlp.BeginList();
        rlp.WriteBytes("server"u8);
        rlp.WriteText(Host);
        rlp.WriteUInt64(EdgePort);
        rlp.WriteUInt64(PeerPort);
        if (Version is not null)
        {
            rlp.WriteText(Version);
            rlp.BeginList();
            foreach ((string key, ServerValue value) in _extra)
            {
                rlp.BeginList();
                rlp.WriteText(key);
                if (value.IsText)
                {
                    rlp.WriteText(value.Text);
                }
                else
                {
                    rlp.WriteBigInteger(value.Number);
                }

                rlp.EndList();
            }

            rlp.EndList();
        }

        rlp.WriteBytes(Signature.ToArray());
        rlp.EndList();
    }

    /// <summary>The first value under a key, or null.</summary>
    public ServerValue? Find(string key)
    {
        foreach ((string name, ServerValue value) in _extra)
        {
            if (string.Equals(name, key, StringComparison.Ordinal))
            {
                return value;
            }
        }

        return null;
    }

    /// <summary>Address and place, for logs.</summary>
    public override string ToString()
    {
        return EdgeUri.ToString();
    }

    private static ServerObject Sign(
        PrivateKey relay,
        string host,
        ushort edgePort,
        ushort peerPort,
        string? version,
        KeyValuePair<string, ServerValue>[] extra)
    {
        Hash256 digest = Hash256.Sha256(EncodeSigned(host, edgePort, peerPort, version, extra));
        return new ServerObject(host, edgePort, peerPort, version, extra, relay.SignHash(digest), relay.Address);
    }

    private static bool TryReadFields(RlpReader fields, out ServerObject? server)
    {
        server = null;
        string? version = null;
        KeyValuePair<string, ServerValue>[] extra = [];
        if (!fields.TryReadBytes(out ReadOnlySpan<byte> hostBytes)
            || !TryGetText(hostBytes, out string host)
            || !TryReadPort(ref fields, out ushort edgePort)
            || !TryReadPort(ref fields, out ushort peerPort)
            || !fields.TryCount(out int left))
        {
            return false;
        }

        if (left == 3
            && !(fields.TryReadBytes(out ReadOnlySpan<byte> versionBytes)
                && TryGetText(versionBytes, out version)
                && fields.TryReadList(out RlpReader pairs)
                && TryReadExtra(pairs, out extra)))
        {
            return false;
        }

        return fields.TryReadBytes(out ReadOnlySpan<byte> bytes)
            && fields.IsEmpty
            && TryVerify(host, edgePort, peerPort, version, extra, bytes, out server);
    }

    private static bool TryReadExtra(RlpReader pairs, out KeyValuePair<string, ServerValue>[] extra)
    {
        extra = [];
        var read = new List<KeyValuePair<string, ServerValue>>();
        while (!pairs.IsEmpty)
        {
            if (!pairs.TryReadList(out RlpReader pair)
                || !pair.TryReadBytes(out ReadOnlySpan<byte> keyBytes)
                || !TryGetText(keyBytes, out string key)
                || !pair.TryReadBytes(out ReadOnlySpan<byte> value)
                || !pair.IsEmpty)
            {
                return false;
            }

            ServerValue typed = key is NameKey or FeaturesKey
                ? ServerValue.FromBytes(value)
                : ServerValue.FromNumber(new BigInteger(value, isUnsigned: true, isBigEndian: true));
            read.Add(new KeyValuePair<string, ServerValue>(key, typed));
        }

        extra = [.. read];
        return true;
    }

    private static bool TryReadPort(ref RlpReader fields, out ushort port)
    {
        bool read = fields.TryReadUInt64(out ulong number) && number <= ushort.MaxValue;
        port = read ? (ushort)number : (ushort)0;
        return read;
    }

    private static bool TryReadTerms(IReadOnlyList<BertTerm> terms, out ServerObject? server)
    {
        server = null;
        string? version = null;
        KeyValuePair<string, ServerValue>[] extra = [];
        if (terms.Count is not 5 and not 7
            || !terms[0].Bytes.Span.SequenceEqual("server"u8)
            || !TryGetText(terms[1], out string host)
            || !TryGetPort(terms[2], out ushort edgePort)
            || !TryGetPort(terms[3], out ushort peerPort)
            || (terms.Count == 7 && !(TryGetText(terms[4], out version) && TryGetExtra(terms[5], out extra)))
            || terms[^1].Kind != BertKind.Binary)
        {
            return false;
        }

        return TryVerify(host, edgePort, peerPort, version, extra, terms[^1].Bytes.Span, out server);
    }

    private static bool TryGetExtra(BertTerm list, out KeyValuePair<string, ServerValue>[] extra)
    {
        extra = [];
        if (list.Kind != BertKind.List)
        {
            return false;
        }

        var read = new List<KeyValuePair<string, ServerValue>>();
        foreach (BertTerm pair in list.Items)
        {
            if (pair.Kind != BertKind.List || pair.Items.Count != 2 || !TryGetText(pair.Items[0], out string key))
            {
                return false;
            }

            BertTerm value = pair.Items[1];
            if (value.Kind != BertKind.Binary && (value.Kind != BertKind.Number || value.Number.Sign < 0))
            {
                return false;
            }

            read.Add(new KeyValuePair<string, ServerValue>(
                key,
                value.Kind == BertKind.Binary
                    ? ServerValue.FromBytes(value.Bytes.Span)
                    : ServerValue.FromNumber(value.Number)));
        }

        extra = [.. read];
        return true;
    }

    private static bool TryVerify(
        string host,
        ushort edgePort,
        ushort peerPort,
        string? version,
        KeyValuePair<string, ServerValue>[] extra,
        ReadOnlySpan<byte> signatureBytes,
        out ServerObject? server)
    {
        server = null;
        if (!Signature65.TryFromBytes(signatureBytes, out Signature65 signature))
        {
            return false;
        }

        Hash256 digest = Hash256.Sha256(EncodeSigned(host, edgePort, peerPort, version, extra));
        if (!signature.TryRecoverAddress(digest, out Address address))
        {
            return false;
        }

        server = new ServerObject(host, edgePort, peerPort, version, extra, signature, address);
        return true;
    }

    private static byte[] EncodeSigned(
        string host, ushort edgePort, ushort peerPort, string? version, KeyValuePair<string, ServerValue>[] extra)
    {
        return BertEncoder.Encode(BertTerm.FromList(GetTerms(host, edgePort, peerPort, version, extra)));
    }

    private static BertTerm[] GetTerms(
        string host, ushort edgePort, ushort peerPort, string? version, KeyValuePair<string, ServerValue>[] extra)
    {
        BertTerm[] place = [BertTerm.FromText(host), BertTerm.FromNumber(edgePort), BertTerm.FromNumber(peerPort)];
        if (version is null)
        {
            return place;
        }

        var pairs = new BertTerm[extra.Length];
        for (int i = 0; i < pairs.Length; i++)
        {
            pairs[i] = BertTerm.FromList(BertTerm.FromText(extra[i].Key), extra[i].Value.ToTerm());
        }

        return [.. place, BertTerm.FromText(version), BertTerm.FromList(pairs)];
    }

    /// <summary>Only valid UTF-8 survives the way through a string unchanged, which verification depends on.</summary>
    private static bool TryGetText(ReadOnlySpan<byte> bytes, out string text)
    {
        text = "";
        if (!System.Text.Unicode.Utf8.IsValid(bytes))
        {
            return false;
        }

        text = Encoding.UTF8.GetString(bytes);
        return true;
    }

    private static bool TryGetText(BertTerm term, out string text)
    {
        text = "";
        return term.Kind == BertKind.Binary && TryGetText(term.Bytes.Span, out text);
    }

    private static bool TryGetPort(BertTerm term, out ushort port)
    {
        bool valid = term.Kind == BertKind.Number && term.Number.Sign >= 0 && term.Number <= ushort.MaxValue;
        port = valid ? (ushort)term.Number : (ushort)0;
        return valid;
    }
}
