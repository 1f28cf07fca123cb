using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Diode.Tunnel.Ethereum.JsonRpc;

/// <summary>
/// The values of the Ethereum JSON-RPC interface: quantities (<c>0x1f</c>) and data (<c>0x00ff</c>). Reading accepts
/// odd digit counts and leading zeros, as real endpoints send them, and never throws.
/// </summary>
public static class EthereumJson
{
    /// <summary>Longest data that is read, in bytes; contract code is at most 24,576, results may be larger.</summary>
    public const int MaxDataLength = 4 << 20;

    /// <summary>A quantity as text: <c>0x0</c>, <c>0xff</c>, <c>0x100</c>.</summary>
    public static string Quantity(ulong value) => "0x" + value.ToString("x", CultureInfo.InvariantCulture);

    /// <summary>Bytes as text with the prefix.</summary>
    public static string Data(ReadOnlySpan<byte> bytes) => "0x" + Convert.ToHexStringLower(bytes);

    /// <summary>Reads <c>0x</c> and any number of digits, an odd count too.</summary>
    public static bool TryParseData(ReadOnlySpan<char> text, [NotNullWhen(true)] out byte[]? data)
    {
        data = null;
        if (text.Length < 2 || text[0] != '0' || (text[1] | 0x20) != 'x' || text.Length > 2 + (2 * MaxDataLength))
        {
            return false;
        }

        ReadOnlySpan<char> digits = text[2..];
        byte[] bytes = new byte[(digits.Length + 1) / 2];
        if (digits.Length % 2 != 0)
        {
            int first = HexDigit(digits[0]);
            if (first < 0)
            {
                return false;
            }

            bytes[0] = (byte)first;
            digits = digits[1..];
        }

        if (Convert.FromHexString(digits, bytes.AsSpan(bytes.Length - (digits.Length / 2)), out _, out _)
            != OperationStatus.Done)
        {
            return false;
        }

        data = bytes;
        return true;
    }

    /// <summary>Reads a quantity of at most 64 bits.</summary>
    public static bool TryParseQuantity(ReadOnlySpan<char> text, out ulong value)
    {
        value = 0;
        if (text.Length < 3 || text[0] != '0' || (text[1] | 0x20) != 'x')
        {
            return false;
        }

        ReadOnlySpan<char> digits = text[2..].TrimStart('0');
        return digits.IsEmpty
            || ulong.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value);
    }

    /// <summary>Reads a JSON text that is one string of hex data.</summary>
    public static bool TryReadData(ReadOnlySpan<byte> json, [NotNullWhen(true)] out byte[]? data)
    {
        // Escapes are no part of hex text, so what stands between the quotes is the value.
        data = null;
        return json.Length >= 4
            && json[0] == '"'
            && json[^1] == '"'
            && json.Length <= 4 + (2 * MaxDataLength)
            && TryParseData(Encoding.Latin1.GetString(json[1..^1]), out data);
    }

    /// <summary>Reads a JSON text that is one string of at most 64 bits of hex.</summary>
    public static bool TryReadQuantity(ReadOnlySpan<byte> json, out ulong value)
    {
        const int longest = 80;
        value = 0;
        return json.Length is >= 5 and <= longest
            && json[0] == '"'
            && json[^1] == '"'
            && TryParseQuantity(Encoding.Latin1.GetString(json[1..^1]), out value);
    }

    /// <summary>Reads a 32-byte value that may be written without its leading zeros.</summary>
    public static bool TryReadWord(ReadOnlySpan<byte> json, out Hash256 word)
    {
        word = default;
        if (!TryReadData(json, out byte[]? data) || data.Length > Hash256.Length)
        {
            return false;
        }

        Span<byte> padded = stackalloc byte[Hash256.Length];
        padded.Clear();
        data.CopyTo(padded[(Hash256.Length - data.Length)..]);
        word = new Hash256(padded);
        return true;
    }

    /// <summary>Reads a member that is a quantity.</summary>
    public static bool TryGetQuantity(JsonElement parent, string name, out ulong value)
    {
        value = 0;
        return parent.TryGetProperty(name, out JsonElement element)
            && element.ValueKind == JsonValueKind.String
            && TryGetText(element, out string? text)
            && TryParseQuantity(text, out value);
    }

    /// <summary>Reads a member that is data of exactly <paramref name="length"/> bytes, any number for −1.</summary>
    public static bool TryGetData(JsonElement parent, string name, int length, [NotNullWhen(true)] out byte[]? data)
    {
        data = null;
        return parent.TryGetProperty(name, out JsonElement element)
            && element.ValueKind == JsonValueKind.String
            && TryGetText(element, out string? text)
            && TryParseData(text, out data)
            && (length < 0 || data.Length == length);
    }

    /// <summary>The text of a string element; false when it is not valid UTF-8.</summary>
    public static bool TryGetText(JsonElement element, [NotNullWhen(true)] out string? text)
    {
        text = null;
        if (element.ValueKind != JsonValueKind.String)
        {
            return false;
        }

        try
        {
            text = element.GetString()!;
            return true;
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    /// <summary>Opens untrusted JSON; null when it is malformed or too deep.</summary>
    public static JsonDocument? TryParse(ReadOnlyMemory<byte> json)
    {
        try
        {
            return JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = JsonRpcMessages.MaxDepth });
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static int HexDigit(char digit) => digit switch
    {
        >= '0' and <= '9' => digit - '0',
        >= 'a' and <= 'f' => digit - 'a' + 10,
        >= 'A' and <= 'F' => digit - 'A' + 10,
        _ => -1,
    };
}
