using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Json;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Relay.Rpc;

/// <summary>Metadata of messages: an object here, a list of pairs on Edge. Values that are no texts become JSON text.</summary>
internal static class RpcMetadata
{
    /// <summary>Longest payload of a message, so that it fits into a frame.</summary>
    public const int MaxPayload = 60_000;

    private const int MaxLength = 4_096;
    private static readonly byte[] Empty = [0xc0];

    /// <summary>The pairs as an encoded list.</summary>
    public static bool TryEncode(JsonElement metadata, [NotNullWhen(true)] out byte[]? encoded)
    {
        encoded = Empty;
        if (metadata.ValueKind != JsonValueKind.Object)
        {
            return true;
        }

        if (metadata.GetRawText().Length > MaxLength)
        {
            encoded = null;
            return false;
        }

        var writer = new RlpWriter();
        writer.BeginList();
        try
        {
            foreach (JsonProperty member in metadata.EnumerateObject())
            {
                writer.BeginList();
                writer.WriteText(member.Name);
                writer.WriteText(
                    member.Value.ValueKind == JsonValueKind.String ? member.Value.GetString()! : member.Value.GetRawText());
                writer.EndList();
            }
        }
        catch (InvalidOperationException)
        {
            // Texts that are not valid.
            encoded = null;
            return false;
        }

        writer.EndList();
        encoded = writer.ToArray();
        return true;
    }

    /// <summary>The pairs as an object; what is no pair is left out.</summary>
    public static void Write(Utf8JsonWriter writer, ReadOnlySpan<byte> encoded)
    {
        writer.WriteStartObject();
        if (RlpReader.TryReadSingleList(encoded, out RlpReader pairs))
        {
            var names = new HashSet<string>(StringComparer.Ordinal);
            while (!pairs.IsEmpty)
            {
                if (pairs.TryReadList(out RlpReader pair))
                {
                    if (pair.TryReadBytes(out ReadOnlySpan<byte> key)
                        && pair.TryReadBytes(out ReadOnlySpan<byte> value)
                        && pair.IsEmpty
                        && names.Add(Encoding.UTF8.GetString(key)))
                    {
                        writer.WriteString(Encoding.UTF8.GetString(key), Encoding.UTF8.GetString(value));
                    }
                }
                else if (!pairs.TryReadItem(out _, out _))
                {
                    break;
                }
            }
        }

        writer.WriteEndObject();
    }
}
