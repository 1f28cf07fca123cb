using System.Security.Cryptography;
using System.Text.Json;
using Diode.Tunnel.Edge.Objects;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Testing.Vectors.Sessions;

/// <summary>
/// Compares a frame with a recorded tree. What a relay chooses itself is not compared: request ids and refs (bound as
/// variables), counters, times and texts about itself, its signatures.
/// </summary>
internal static class FrameMatch
{
    /// <summary>Whether they are the same; variables seen for the first time are bound.</summary>
    public static bool Matches(JsonElement expected, RlpItem actual, Dictionary<string, string> bound)
    {
        if (expected.ValueKind == JsonValueKind.Array)
        {
            return actual.IsList && MatchesList([.. expected.EnumerateArray()], actual, bound);
        }

        if (actual.IsList)
        {
            return false;
        }

        string hex = Convert.ToHexStringLower(actual.Bytes.Span);
        if (expected.ValueKind == JsonValueKind.String)
        {
            return expected.GetString() == hex;
        }

        var description = new VectorCase(expected);
        if (description.Has("var"))
        {
            string name = description.Text("var");
            return bound.TryGetValue(name, out string? value) ? value == hex : bound.TryAdd(name, hex);
        }

        return description.Number("length") == actual.Bytes.Length
            && description.Text("sha256") == Convert.ToHexStringLower(SHA256.HashData(actual.Bytes.Span));
    }

    private static bool MatchesList(JsonElement[] items, RlpItem actual, Dictionary<string, string> bound)
    {
        if (actual.Items.Count != items.Length)
        {
            return false;
        }

        string tag = items.Length > 0 ? GetWord(items[0], actual.Items[0]) : "";
        int last = items.Length;
        switch (tag)
        {
            case "ticket_request" when items.Length == 2:
                return true;
            case "server":
                // Counters and times of the relay; it must have signed them.
                return ServerObject.TryReadRlp(actual.Encode(), out _);
            case "trace" when items.Length == 4:
                return Matches(items[2], actual.Items[2], bound) && Matches(items[3], actual.Items[3], bound);
            case "ticket" or "ticketv2":
                // The last field is the signature of the relay.
                last--;
                break;
        }

        for (int i = 0; i < last; i++)
        {
            // Some recorded refs have no variable.
            bool isRef = tag == "portopen" && i == 2 && items.Length == 4;
            if (!(isRef && items[i].ValueKind == JsonValueKind.String) && !Matches(items[i], actual.Items[i], bound))
            {
                return false;
            }
        }

        return true;
    }

    private static string GetWord(JsonElement expected, RlpItem actual)
    {
        return expected.ValueKind == JsonValueKind.String
            && !actual.IsList
            && expected.GetString() == Convert.ToHexStringLower(actual.Bytes.Span)
                ? System.Text.Encoding.ASCII.GetString(actual.Bytes.Span)
                : "";
    }
}
