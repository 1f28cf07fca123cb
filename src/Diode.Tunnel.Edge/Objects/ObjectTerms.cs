using Diode.Tunnel.Edge.Bert;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Edge.Objects;

/// <summary>Between the two wire forms of an object list (reference §5.1).</summary>
internal static class ObjectTerms
{
    /// <summary>
    /// Encodes a list of binaries, non-negative integers and lists as RLP; false for anything else. Types are lost.
    /// </summary>
    public static bool TryToRlp(BertTerm term, out byte[] rlp)
    {
        var writer = new RlpWriter();
        if (term.Kind != BertKind.List || !TryWrite(writer, term, RlpItem.MaxDepth - 1))
        {
            rlp = [];
            return false;
        }

        rlp = writer.ToArray();
        return true;
    }

    private static bool TryWrite(RlpWriter writer, BertTerm term, int depth)
    {
        switch (term.Kind)
        {
            case BertKind.Binary:
                writer.WriteBytes(term.Bytes.Span);
                return true;
            case BertKind.Number when term.Number.Sign >= 0:
                writer.WriteBigInteger(term.Number);
                return true;
            case BertKind.List when depth > 0:
                writer.BeginList();
                foreach (BertTerm item in term.Items)
                {
                    if (!TryWrite(writer, item, depth - 1))
                    {
                        return false;
                    }
                }

                writer.EndList();
                return true;
            default:
                return false;
        }
    }
}
