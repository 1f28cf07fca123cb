using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Relay.Chains;

/// <summary>Encoded answers to chain commands.</summary>
internal static class ChainAnswer
{
    /// <summary><c>["response", item…]</c>.</summary>
    public static byte[] Response(Action<RlpWriter> writeItems)
    {
        var writer = new RlpWriter();
        writer.BeginList();
        writer.WriteBytes("response"u8);
        writeItems(writer);
        writer.EndList();
        return writer.ToArray();
    }

    /// <summary><c>["error", text]</c>.</summary>
    public static byte[] Error(string text)
    {
        var writer = new RlpWriter();
        writer.BeginList();
        writer.WriteBytes("error"u8);
        writer.WriteText(text);
        writer.EndList();
        return writer.ToArray();
    }

    /// <summary>The answer when no endpoint helps.</summary>
    public static byte[] Unavailable() => Error("upstream not available");
}
