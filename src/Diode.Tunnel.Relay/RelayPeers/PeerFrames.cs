using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using Diode.Tunnel.Edge.Bert;
using Diode.Tunnel.Edge.Framing;

namespace Diode.Tunnel.Relay.RelayPeers;

/// <summary>
/// Frames between relays: <code>u32be length | raw deflate of a term</code> Atoms are written as Erlang 26 and later do, both
/// forms are read; a payload that is no deflate stream is read as it is (reference §6.1, §7.1).
/// </summary>
internal static class PeerFrames
{
    private const byte Version = 131;
    private const byte Compressed = 80;

    /// <summary>Appends the frame of a term.</summary>
    public static void Write(IBufferWriter<byte> output, BertTerm term)
    {
        output.Write(Encode(term));
    }

    /// <summary>The frame of a term, length and payload.</summary>
    public static byte[] Encode(BertTerm term)
    {
        byte[] payload = RawDeflate.Deflate(BertEncoder.Encode(term, utf8Atoms: true));
        byte[] frame = new byte[PeerLimits.HeaderLength + payload.Length];
        BinaryPrimitives.WriteInt32BigEndian(frame, payload.Length);
        payload.CopyTo(frame, PeerLimits.HeaderLength);
        return frame;
    }

    /// <summary>Reads the payload of a frame; false when it is garbage or longer than any message.</summary>
    public static bool TryRead(ReadOnlySpan<byte> payload, [NotNullWhen(true)] out BertTerm? term)
    {
        // A plain term begins with a byte that is a legal start of a deflate stream, so both readings are tried.
        if (RawDeflate.TryInflate(payload, PeerLimits.MaxPayload, out byte[] inflated)
            && TryDecode(inflated, out term))
        {
            return true;
        }

        return TryDecode(payload, out term);
    }

    private static bool TryDecode(ReadOnlySpan<byte> data, [NotNullWhen(true)] out BertTerm? term)
    {
        term = null;

        // Erlang's own compression inside: relays never use it, and it would get round the limit.
        bool plausible = data.Length is >= 2 and <= PeerLimits.MaxPayload
            && data[0] == Version
            && data[1] != Compressed;
        return plausible && BertDecoder.TryDecode(data, BertAtoms.Any, out term);
    }
}
