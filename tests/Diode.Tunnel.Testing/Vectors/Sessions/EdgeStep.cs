using System.Text.Json;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Testing.Vectors.Sessions;

/// <summary>One step of a recorded Edge session.</summary>
internal sealed class EdgeStep
{
    public EdgeStep(JsonElement element)
    {
        var step = new VectorCase(element);
        Connection = step.Text("conn");
        Event = step.Text("event");
        TimeMs = (long)step.Number("t_ms");
        Text = step.Has("text") ? step.Text("text") : "";
        Frame = step.Has("frame") ? step.Hex("frame") : [];
        Decoded = step.Has("decoded") ? step.Get("decoded") : null;
        byte[] payload = step.Has("rlp") ? step.Hex("rlp") : Frame.Length > 2 ? Frame[2..] : [];
        Message = RlpItem.TryDecode(payload, out RlpItem? message) && IsEnvelope(message) ? message : null;
    }

    public string Connection { get; }

    /// <summary>open, c2s, s2c, closed_by_node or closed_by_client.</summary>
    public string Event { get; }

    public long TimeMs { get; }

    public string Text { get; }

    /// <summary>As it went over the wire, with length.</summary>
    public byte[] Frame { get; }

    /// <summary>The tree to compare with, with variables; null where the recording has none.</summary>
    public JsonElement? Decoded { get; }

    /// <summary>What was sent, decoded; null when it is no envelope with a command.</summary>
    public RlpItem? Message { get; }

    /// <summary>Connection and request id: what ties a reply to its request.</summary>
    public string Request => Message is null ? "" : Describe(Connection, Message);

    /// <summary>First word of the command or the reply.</summary>
    public string Method => Message is null ? "" : MethodOf(Message);

    public static string Describe(string connection, RlpItem message)
    {
        return connection + "/" + Convert.ToHexStringLower(message.Items[0].Bytes.Span.TrimStart((byte)0));
    }

    public static string MethodOf(RlpItem message)
    {
        return System.Text.Encoding.ASCII.GetString(message.Items[1].Items[0].Bytes.Span);
    }

    public static bool IsEnvelope(RlpItem message)
    {
        return message.IsList
            && message.Items.Count >= 2
            && !message.Items[0].IsList
            && message.Items[1].IsList
            && message.Items[1].Items.Count > 0
            && !message.Items[1].Items[0].IsList;
    }
}
