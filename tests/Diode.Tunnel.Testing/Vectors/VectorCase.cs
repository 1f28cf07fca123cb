using System.Globalization;
using System.Numerics;
using System.Text.Json;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;

namespace Diode.Tunnel.Testing.Vectors;

/// <summary>One case of a vector file. A field that is asked for and absent or of another type fails the case.</summary>
public sealed class VectorCase(JsonElement element)
{
    public JsonElement Element => element;

    /// <summary>Folder of the file; set on the head of a file only.</summary>
    public string Folder { get; init; } = "";

    public string Name => element.ValueKind == JsonValueKind.Object
        && element.TryGetProperty("name", out JsonElement name)
        && name.ValueKind == JsonValueKind.String
            ? name.GetString()!
            : "(no name)";

    public string Kind => Has("kind") ? Text("kind") : "";

    public bool Has(string field)
    {
        return element.ValueKind == JsonValueKind.Object && element.TryGetProperty(field, out _);
    }

    public JsonElement Get(string field)
    {
        return Has(field) ? element.GetProperty(field) : throw new VectorException($"no field {field}");
    }

    public bool IsNull(string field)
    {
        return Get(field).ValueKind == JsonValueKind.Null;
    }

    public VectorCase Sub(string field)
    {
        return new VectorCase(Get(field));
    }

    public string Text(string field)
    {
        return ToText(Get(field));
    }

    public bool Bool(string field)
    {
        JsonElement value = Get(field);
        return value.ValueKind switch
        {
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            _ => throw new VectorException($"{field} is no boolean"),
        };
    }

    public byte[] Hex(string field)
    {
        return ToBytes(Get(field));
    }

    public BigInteger Number(string field)
    {
        return ToInteger(Get(field));
    }

    public ulong Whole(string field)
    {
        return (ulong)Number(field);
    }

    public Address Address(string field)
    {
        return ToAddress(Get(field));
    }

    public Hash256 Hash(string field)
    {
        return Hash256.TryRead(Hex(field), out Hash256 hash) ? hash : throw new VectorException($"{field} is no hash");
    }

    public PrivateKey PrivateKey(string field)
    {
        return Diode.Tunnel.Ethereum.Crypto.PrivateKey.TryFromBytes(Hex(field), out PrivateKey? key)
            ? key
            : throw new VectorException($"{field} is no private key");
    }

    public Signature65 Signature(string field)
    {
        return Signature65.TryFromBytes(Hex(field), out Signature65 signature)
            ? signature
            : throw new VectorException($"{field} is no signature");
    }

    public IEnumerable<JsonElement> Items(string field)
    {
        JsonElement value = Get(field);
        return value.ValueKind == JsonValueKind.Array
            ? value.EnumerateArray()
            : throw new VectorException($"{field} is no list");
    }

    public static string ToText(JsonElement value)
    {
        return value.ValueKind == JsonValueKind.String
            ? value.GetString()!
            : throw new VectorException("a text is expected");
    }

    public static byte[] ToBytes(JsonElement value)
    {
        string text = ToText(value);
        try
        {
            return Convert.FromHexString(text);
        }
        catch (FormatException)
        {
            throw new VectorException("hexadecimal digits are expected");
        }
    }

    public static BigInteger ToInteger(JsonElement value)
    {
        string text = value.ValueKind == JsonValueKind.Number ? value.GetRawText() : ToText(value);
        return BigInteger.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out BigInteger n)
            ? n
            : throw new VectorException("a number is expected");
    }

    public static Address ToAddress(JsonElement value)
    {
        return Ethereum.Address.TryRead(ToBytes(value), out Address address)
            ? address
            : throw new VectorException("an address is expected");
    }
}
