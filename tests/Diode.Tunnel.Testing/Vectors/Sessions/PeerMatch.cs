using Diode.Tunnel.Edge.Bert;
using Diode.Tunnel.Edge.Objects;
using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Relay.RelayPeers;

namespace Diode.Tunnel.Testing.Vectors.Sessions;

/// <summary>Compares messages between relays, save what a relay says about itself and when and how often it was reached.</summary>
internal static class PeerMatch
{
    public static bool AreEqual(BertTerm expected, BertTerm actual, Address self)
    {
        return Show(Normalize(expected, self)) == Show(Normalize(actual, self));
    }

    /// <summary>A term as text; maps are written by relays in one order only.</summary>
    public static string Show(BertTerm term)
    {
        return term.Kind switch
        {
            BertKind.Atom => ":" + term.Atom,
            BertKind.Number => term.Number.ToString(System.Globalization.CultureInfo.InvariantCulture),
            BertKind.Binary => Convert.ToHexStringLower(term.Bytes.Span),
            BertKind.List => $"[{string.Join(", ", term.Items.Select(Show))}]",
            BertKind.Tuple => $"{{{string.Join(", ", term.Items.Select(Show))}}}",
            BertKind.Map => "#{" + string.Join(", ", term.Items.Chunk(2).Select(pair => $"{Show(pair[0])} => {Show(pair[1])}")) + "}",
            _ => term.Kind.ToString(),
        };
    }

    private static BertTerm Normalize(BertTerm term, Address self)
    {
        if (!PeerTerms.TryGetTag(term, out string tag))
        {
            return term;
        }

        BertTerm[] items = [.. term.Items];
        int at = tag switch
        {
            PeerTerms.Hello when items.Length > 1 => 1,
            PeerTerms.Store when items.Length > 2 => 2,
            PeerTerms.Response when items.Length == 3 && PeerTerms.IsAtom(items[1], PeerTerms.FindValue) => 2,
            _ => 0,
        };
        if (at > 0)
        {
            items[at] = NormalizeObject(items[at], self);
        }

        return BertTerm.FromList([.. items.Select(item => item.Kind == BertKind.Map ? NormalizeNode(item) : item)]);
    }

    // Our own object must be signed by us; our signature below a ticket must be good.
    private static BertTerm NormalizeObject(BertTerm value, Address self)
    {
        if (ServerObject.TryReadBert(value.Bytes.Span, out ServerObject? server) && server.Address == self)
        {
            return BertTerm.FromText("own object");
        }

        return Ticket.TryReadBert(value.Bytes.Span, out Ticket? ticket)
            && ticket.Server == self
            && ticket.TryRecoverServer(out Address signer)
            && signer == self
                ? BertTerm.FromText($"ticket {ticket.GetDeviceDigest()}")
                : value;
    }

    private static BertTerm NormalizeNode(BertTerm node)
    {
        IEnumerable<BertTerm[]> pairs = node.Items.Chunk(2)
            .Select(pair => pair[0].Atom is "last_seen" or "retries" ? [pair[0], BertTerm.FromNumber(0)] : pair);
        return BertTerm.FromMap([.. pairs.SelectMany(pair => pair)]);
    }
}
