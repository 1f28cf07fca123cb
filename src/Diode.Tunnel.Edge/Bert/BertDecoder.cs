using System.Diagnostics.CodeAnalysis;
using Diode.Tunnel.Edge.Framing;

namespace Diode.Tunnel.Edge.Bert;

/// <summary>
/// Decodes terms from the network: never throws, recursion and memory are bounded by the input and by
/// <see cref="MaxDepth"/>. As Erlang's own decoder it accepts non-shortest forms and bytes after the term.
/// </summary>
public static class BertDecoder
{
    /// <summary>Deepest nesting that is read.</summary>
    public const int MaxDepth = 256;

    /// <summary>Longest inflated size of a compressed term or a peer payload that is read.</summary>
    public const int MaxInflatedLength = 4 * 1024 * 1024;

    /// <summary>Decodes one term with its version byte.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> data, BertAtoms atoms, [NotNullWhen(true)] out BertTerm? term)
    {
        term = null;
        if (data.Length < 2 || data[0] != BertTag.Version)
        {
            return false;
        }

        data = data[1..];
        byte[] inflated = [];
        if (data[0] == BertTag.Compressed)
        {
            if (!TryInflate(data[1..], out inflated))
            {
                return false;
            }

            data = inflated;
        }

        var reader = new BertTermReader(data, atoms);
        return reader.TryRead(MaxDepth, out term);
    }

    /// <summary>
    /// Decodes the payload of a peer frame: deflated, or as it is when inflating fails (diode_node
    /// <c>lib/bert.ex</c>). Any atom is let in.
    /// </summary>
    public static bool TryDecodePeerPayload(ReadOnlySpan<byte> payload, [NotNullWhen(true)] out BertTerm? term)
    {
        return RawDeflate.TryInflate(payload, MaxInflatedLength, out byte[] inflated)
            && TryDecode(inflated, BertAtoms.Any, out term)
            || TryDecode(payload, BertAtoms.Any, out term);
    }

    private static bool TryInflate(ReadOnlySpan<byte> data, out byte[] inflated)
    {
        inflated = [];
        if (data.Length < sizeof(uint))
        {
            return false;
        }

        uint declared = System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(data);
        return declared is > 0 and <= MaxInflatedLength
            && RawDeflate.TryInflateZlib(data[sizeof(uint)..], (int)declared, out inflated)
            && inflated.Length == declared;
    }
}
