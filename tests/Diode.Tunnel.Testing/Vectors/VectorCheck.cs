using System.Security.Cryptography;
using System.Text.Json;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Testing.Vectors;

/// <summary>Comparisons that fail a case with a text that shows both sides.</summary>
public static class VectorCheck
{
    private const int MaxShown = 120;

    public static void True(bool condition, string what)
    {
        if (!condition)
        {
            throw new VectorException(what);
        }
    }

    public static void Bytes(ReadOnlySpan<byte> expected, ReadOnlySpan<byte> actual, string what)
    {
        if (!expected.SequenceEqual(actual))
        {
            throw new VectorException($"{what}: expected {Show(expected)}, got {Show(actual)}");
        }
    }

    public static void Equal<T>(T expected, T actual, string what)
    {
        if (!EqualityComparer<T>.Default.Equals(expected, actual))
        {
            throw new VectorException($"{what}: expected {expected}, got {actual}");
        }
    }

    /// <summary>Compares with a field, or with its length, prefix and SHA-256 where the file abbreviates it.</summary>
    public static void Field(VectorCase vector, string field, ReadOnlySpan<byte> actual)
    {
        if (vector.Has(field))
        {
            Bytes(vector.Hex(field), actual, field);
            return;
        }

        Equal((int)vector.Number(field + "_length"), actual.Length, field + " length");
        Bytes(vector.Hex(field + "_sha256"), SHA256.HashData(actual), field + " SHA-256");
        byte[] prefix = vector.Hex(field + "_prefix");
        Bytes(prefix, actual[..prefix.Length], field + " prefix");
    }

    /// <summary>Compares a decoded tree with nested arrays of hexadecimal strings.</summary>
    public static void Tree(JsonElement expected, RlpItem actual, string what)
    {
        if (expected.ValueKind != JsonValueKind.Array)
        {
            True(!actual.IsList, what + ": got a list");
            Bytes(VectorCase.ToBytes(expected), actual.Bytes.Span, what);
            return;
        }

        True(actual.IsList, what + ": got a string");
        Equal(expected.GetArrayLength(), actual.Items.Count, what + " count");
        for (int i = 0; i < actual.Items.Count; i++)
        {
            Tree(expected[i], actual.Items[i], what);
        }
    }

    private static string Show(ReadOnlySpan<byte> bytes)
    {
        string text = Convert.ToHexStringLower(bytes);
        return text.Length <= MaxShown ? text : text[..MaxShown] + "…";
    }
}
