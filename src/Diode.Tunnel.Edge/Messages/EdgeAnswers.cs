using System.Diagnostics.CodeAnalysis;
using System.Text;
using Diode.Tunnel.Edge.Objects;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Edge.Messages;

/// <summary>
/// Reads the answers to the requests of an <see cref="EdgeClientSession"/> (reference §3.1). False for errors and for answers of
/// another form; nothing throws.
/// </summary>
public static class EdgeAnswers
{
    /// <summary>Texts beyond this length are not read: JSON of a relay fits in one frame.</summary>
    private const int MaxText = EdgeLimits.MaxFramePayload;

    /// <summary>The answer to version.</summary>
    public static bool TryReadVersion(
        in EdgeReply reply, out string version, out string description, out string features)
    {
        version = "";
        description = "";
        features = "";
        RlpReader values = reply.Values;
        if (reply.IsError || !values.TryReadBytes(out ReadOnlySpan<byte> first))
        {
            return false;
        }

        version = WireText.ToDisplay(first);
        description = values.TryReadBytes(out ReadOnlySpan<byte> second) ? WireText.ToDisplay(second) : "";
        features = values.TryReadBytes(out ReadOnlySpan<byte> third) ? WireText.ToDisplay(third) : "";
        return true;
    }

    /// <summary>A signed number, as bytes answers: even n is n/2, odd n is −(n−1)/2 (§2.2).</summary>
    public static bool TryReadSigned(in EdgeReply reply, out long value)
    {
        value = 0;
        if (!TryReadNumber(reply, out ulong number))
        {
            return false;
        }

        value = (number & 1) == 0 ? (long)(number >> 1) : -(long)(number >> 1);
        return true;
    }

    /// <summary>A number: block peaks, nonces, isonline (1 or 0). Leading zeros are read.</summary>
    public static bool TryReadNumber(in EdgeReply reply, out ulong value)
    {
        value = 0;
        RlpReader values = reply.Values;
        if (reply.IsError || !values.TryReadBytes(out ReadOnlySpan<byte> bytes))
        {
            return false;
        }

        bytes = bytes.TrimStart((byte)0);
        foreach (byte digit in bytes.Length <= sizeof(ulong) ? bytes : default)
        {
            value = (value << 8) | digit;
        }

        return bytes.Length <= sizeof(ulong);
    }

    /// <summary>The answer to isonline.</summary>
    public static bool TryReadOnline(in EdgeReply reply, out bool online)
    {
        RlpReader values = reply.Values;
        online = !reply.IsError && values.TryReadBytes(out ReadOnlySpan<byte> word)
            && (word.SequenceEqual("true"u8) || word is [1]);
        return !reply.IsError && values.IsEmpty;
    }

    /// <summary>The answer to getobject. Null and true when the relay knows none.</summary>
    public static bool TryReadObject(in EdgeReply reply, out DiodeObject? value)
    {
        value = null;
        RlpReader values = reply.Values;
        if (reply.IsError || !values.TryReadRaw(out ReadOnlySpan<byte> encoded))
        {
            return false;
        }

        return encoded is [0x80] || DiodeObject.TryRead(encoded, out value);
    }

    /// <summary>The answer to getnode. Null and true when the relay knows none. The signature is checked.</summary>
    public static bool TryReadNode(in EdgeReply reply, out ServerObject? node)
    {
        bool read = TryReadObject(reply, out DiodeObject? value);
        node = value?.Server;
        return read && (value is null || node is not null);
    }

    /// <summary>The answer to getnodes: at most three, those with a bad signature left out.</summary>
    public static bool TryReadNodes(in EdgeReply reply, out IReadOnlyList<ServerObject> nodes)
    {
        const int Most = 3;
        List<ServerObject> found = [];
        nodes = found;
        RlpReader values = reply.Values;
        if (reply.IsError || !values.TryReadList(out RlpReader list))
        {
            return false;
        }

        while (found.Count < Most && !list.IsEmpty)
        {
            if (!list.TryReadRaw(out ReadOnlySpan<byte> encoded))
            {
                return false;
            }

            if (ServerObject.TryReadRlp(encoded, out ServerObject? node))
            {
                found.Add(node);
            }
        }

        return true;
    }

    /// <summary>The answer to portopen2: <c>ok</c> and the port on the relay.</summary>
    public static bool TryReadPhysicalPort(in EdgeReply reply, out ushort port)
    {
        port = 0;
        RlpReader values = reply.Values;
        if (reply.IsError
            || !values.TryReadBytes(out ReadOnlySpan<byte> ok)
            || !ok.SequenceEqual(EdgeCommands.Ok)
            || !values.TryReadUInt64(out ulong number)
            || number is 0 or > ushort.MaxValue)
        {
            return false;
        }

        port = (ushort)number;
        return true;
    }

    /// <summary>Whether the answer is <c>ok</c>: wireguard close, subscribe, sendtransaction.</summary>
    public static bool IsOk(in EdgeReply reply)
    {
        RlpReader values = reply.Values;
        return !reply.IsError && values.TryReadBytes(out ReadOnlySpan<byte> word) && word.SequenceEqual(EdgeCommands.Ok);
    }

    /// <summary>A text: the JSON of rpc, wireguard open and turnopen.</summary>
    public static bool TryReadText(in EdgeReply reply, [NotNullWhen(true)] out string? text)
    {
        text = null;
        RlpReader values = reply.Values;
        if (reply.IsError || !values.TryReadBytes(out ReadOnlySpan<byte> bytes) || bytes.Length > MaxText)
        {
            return false;
        }

        text = Encoding.UTF8.GetString(bytes);
        return true;
    }

    /// <summary>The encoded values of any answer, to be kept: one RLP item after the other.</summary>
    public static bool TryCopyValues(in EdgeReply reply, out byte[] encoded)
    {
        encoded = reply.IsError ? [] : reply.Values.Remaining.ToArray();
        return !reply.IsError;
    }

    /// <summary>A value of an answer that is a list of <c>[key, value]</c> pairs, such as a block header.</summary>
    public static bool TryReadPair(in EdgeReply reply, ReadOnlySpan<byte> key, out ReadOnlySpan<byte> value)
    {
        value = default;
        RlpReader values = reply.Values;
        if (reply.IsError || !values.TryReadList(out RlpReader pairs))
        {
            return false;
        }

        while (pairs.TryReadList(out RlpReader pair))
        {
            if (pair.TryReadBytes(out ReadOnlySpan<byte> name) && name.SequenceEqual(key))
            {
                return pair.TryReadBytes(out value);
            }
        }

        return false;
    }
}
