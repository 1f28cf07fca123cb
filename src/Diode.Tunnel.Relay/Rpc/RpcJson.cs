using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Numerics;
using System.Text;
using System.Text.Json;
using Diode.Tunnel.Edge.Objects;
using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.JsonRpc;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Relay.Rpc;

/// <summary>The values of the JSON-RPC interface (diode-node §8.2).</summary>
internal static class RpcJson
{
    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    /// <summary>JSON text, written by <paramref name="write"/>.</summary>
    public static byte[] Write(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var writer = new Utf8JsonWriter(buffer, RelayJson.Plain))
        {
            write(writer);
        }

        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>0 is <c>0x0</c>, 255 <c>0xff</c>, 256 <c>0x100</c>.</summary>
    public static string Number(BigInteger value)
    {
        string digits = value.ToString("x", CultureInfo.InvariantCulture).TrimStart('0');
        return "0x" + (digits.Length == 0 ? "0" : digits);
    }

    /// <summary>The form of values that were hex before: an even number of digits, 0 is <c>0x00</c>.</summary>
    public static string EvenNumber(ulong value)
    {
        string digits = value.ToString("x", CultureInfo.InvariantCulture);
        return (digits.Length % 2 == 0 ? "0x" : "0x0") + digits;
    }

    /// <summary>Printable text as it is, empty text as <c>0x</c>, anything else as hex.</summary>
    public static string Binary(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty)
        {
            return "0x";
        }

        try
        {
            string text = Strict.GetString(bytes);
            return text.EnumerateRunes().All(IsPrintable) ? text : EthereumJson.Data(bytes);
        }
        catch (DecoderFallbackException)
        {
            return EthereumJson.Data(bytes);
        }
    }

    /// <summary>Hex data of a parameter.</summary>
    public static bool TryReadHex(JsonElement element, [NotNullWhen(true)] out byte[]? bytes)
    {
        bytes = null;
        return EthereumJson.TryGetText(element, out string? text) && EthereumJson.TryParseData(text, out bytes);
    }

    /// <summary>A number of a parameter, as hex text or as it is.</summary>
    public static bool TryReadNumber(JsonElement element, out ulong number)
    {
        number = 0;
        return element.ValueKind == JsonValueKind.Number
            ? element.TryGetUInt64(out number)
            : EthereumJson.TryGetText(element, out string? text) && EthereumJson.TryParseQuantity(text, out number);
    }

    /// <summary>An address of a parameter.</summary>
    public static bool TryReadAddress(JsonElement element, out Address address)
    {
        address = default;
        return TryReadHex(element, out byte[]? bytes) && Address.TryRead(bytes, out address);
    }

    /// <summary>An object of the DHT as a list, its name first.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="encoded">The object as an encoded RLP list.</param>
    public static void WriteObject(Utf8JsonWriter writer, ReadOnlySpan<byte> encoded)
    {
        if (DiodeObject.TryRead(encoded, out DiodeObject? found) && found.Ticket is Ticket ticket)
        {
            WriteTicket(writer, ticket);
        }
        else if (found?.Server is ServerObject server)
        {
            WriteServer(writer, server);
        }
        else if (RlpItem.TryDecode(encoded, out RlpItem? item))
        {
            // Channels and data: RLP does not tell numbers from bytes, so they are shown as bytes.
            WriteItem(writer, item);
        }
        else
        {
            writer.WriteNullValue();
        }
    }

    /// <summary>A server object.</summary>
    public static void WriteServer(Utf8JsonWriter writer, ServerObject server)
    {
        writer.WriteStartArray();
        writer.WriteStringValue("server"u8);
        writer.WriteStringValue(Binary(Encoding.UTF8.GetBytes(server.Host)));
        writer.WriteStringValue(Number(server.EdgePort));
        writer.WriteStringValue(Number(server.PeerPort));
        if (server.Version is not null)
        {
            writer.WriteStringValue(Binary(Encoding.UTF8.GetBytes(server.Version)));
            writer.WriteStartArray();
            foreach ((string key, ServerValue value) in server.Extra)
            {
                writer.WriteStartArray();
                writer.WriteStringValue(key);
                writer.WriteStringValue(
                    value.IsText ? Binary(Encoding.UTF8.GetBytes(value.Text)) : Number(value.Number));
                writer.WriteEndArray();
            }

            writer.WriteEndArray();
        }

        writer.WriteStringValue(Binary(server.Signature.ToArray()));
        writer.WriteEndArray();
    }

    private static void WriteTicket(Utf8JsonWriter writer, Ticket ticket)
    {
        writer.WriteStartArray();
        writer.WriteStringValue(ticket is TicketV2 ? "ticketv2"u8 : "ticket"u8);
        writer.WriteStringValue(Binary(ticket.Server.ToArray()));
        if (ticket is TicketV2 second)
        {
            writer.WriteStringValue(Number(second.ChainId));
            writer.WriteStringValue(Number(second.EpochNumber));
        }
        else if (ticket is TicketV1 first)
        {
            writer.WriteStringValue(Number(first.BlockNumber));
        }

        writer.WriteStringValue(Binary(ticket.Fleet.ToArray()));
        writer.WriteStringValue(Number(ticket.TotalConnections));
        writer.WriteStringValue(Number(ticket.TotalBytes));
        writer.WriteStringValue(Binary(ticket.LocalAddress.Span));
        writer.WriteStringValue(Binary(ticket.DeviceSignature?.ToArray() ?? []));
        writer.WriteStringValue(Binary(ticket.ServerSignature?.ToArray() ?? []));
        writer.WriteEndArray();
    }

    private static void WriteItem(Utf8JsonWriter writer, RlpItem item)
    {
        if (!item.IsList)
        {
            writer.WriteStringValue(Binary(item.Bytes.Span));
            return;
        }

        writer.WriteStartArray();
        foreach (RlpItem part in item.Items)
        {
            WriteItem(writer, part);
        }

        writer.WriteEndArray();
    }

    private static bool IsPrintable(Rune rune)
    {
        return rune.Value is '\n' or '\r' or '\t' or '\v' or '\b' or '\f' or 0x1b or '\a'
            || (!Rune.IsControl(rune)
                && Rune.GetUnicodeCategory(rune)
                    is not (UnicodeCategory.OtherNotAssigned or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse));
    }
}
