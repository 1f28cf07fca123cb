using Diode.Tunnel.Edge.Bert;

namespace Diode.Tunnel.Relay.RelayPeers;

/// <summary>
/// A peer's answer. Answers name their kind but are matched by order: a find_value may be answered by hints.
/// </summary>
internal readonly struct PeerReply(BertTerm response)
{
    private const int Head = 2;

    /// <summary>The value of a find_value that was found.</summary>
    public bool TryGetValue(out ReadOnlyMemory<byte> value)
    {
        bool found = response.Items.Count == Head + 1
            && PeerTerms.IsAtom(response.Items[1], PeerTerms.FindValue)
            && response.Items[Head].Kind == BertKind.Binary;
        value = found ? response.Items[Head].Bytes : default;
        return found;
    }

    /// <summary>Whether this is the acknowledgement of a store.</summary>
    public bool IsAcknowledgement =>
        response.Items.Count == Head + 1
        && response.Items[Head].Kind == BertKind.Binary
        && response.Items[Head].Bytes.Span.SequenceEqual("ok"u8);

    /// <summary>What stands after the kind, e.g. NODE maps; at most three.</summary>
    public IEnumerable<BertTerm> Nodes => response.Items.Skip(Head).Take(PeerLimits.MaxHints);
}
