using System.Text.Json;

namespace Diode.Tunnel.Testing.Vectors;

/// <summary>Typed values of vector files: an object with one property that names the type.</summary>
internal static class VectorValue
{
    public static JsonProperty Single(JsonElement typed)
    {
        if (typed.ValueKind == JsonValueKind.Object)
        {
            JsonProperty[] properties = [.. typed.EnumerateObject()];
            if (properties.Length == 1)
            {
                return properties[0];
            }
        }

        throw new VectorException("a typed value is expected");
    }

    public static byte[] Repeat(JsonElement value)
    {
        var repeat = new VectorCase(value);
        byte[] bytes = new byte[(int)repeat.Number("count")];
        bytes.AsSpan().Fill(repeat.Hex("byte")[0]);
        return bytes;
    }
}
