using System.Globalization;
using System.Numerics;
using System.Text;
using System.Text.Json;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Testing.Vectors;

/// <summary>rlp.json</summary>
internal static class RlpVectors
{
    public static void Run(VectorCase vector)
    {
        switch (vector.Kind)
        {
            case "encode":
                RunEncode(vector);
                break;
            case "encode_error":
                RunEncodeError(vector);
                break;
            case "signed_int":
                VectorCheck.Bytes(vector.Hex("bytes"), SignedInteger.Encode(vector.Number("int")), "bytes");
                VectorCheck.Equal(vector.Number("back"), SignedInteger.Decode(vector.Hex("bytes")), "back");
                break;
            case "signed_int_decode":
                VectorCheck.Equal(vector.Number("int"), SignedInteger.Decode(vector.Hex("bytes")), "int");
                VectorCheck.True(
                    !SignedInteger.TryDecodeInt64(vector.Hex("bytes"), out long small)
                        || small == vector.Number("int"),
                    "64-bit form");
                break;
            case "decode":
                RunDecode(vector);
                break;
            default:
                throw new VectorException("unknown kind " + vector.Kind);
        }
    }

    private static void RunEncode(VectorCase vector)
    {
        var writer = new RlpWriter();
        Write(writer, vector.Get("value"));
        byte[] encoded = writer.ToArray();
        VectorCheck.Field(vector, "encoded", encoded);
        VectorCheck.True(RlpReader.IsWellFormed(encoded), "our own encoding is not well-formed");
        VectorCheck.True(RlpItem.TryDecode(encoded, out RlpItem? item), "our own encoding does not decode");
        VectorCheck.Bytes(encoded, item!.Encode(), "encoding of the decoded tree");
        if (vector.Has("decoded"))
        {
            VectorCheck.Tree(vector.Get("decoded"), item, "decoded");
        }
    }

    private static void RunEncodeError(VectorCase vector)
    {
        try
        {
            Write(new RlpWriter(), vector.Get("value"));
        }
        catch (NotSupportedException)
        {
            return;
        }

        throw new VectorException("was encoded");
    }

    private static void RunDecode(VectorCase vector)
    {
        byte[] input = vector.Hex("input");
        bool accepted = RlpItem.TryDecode(input, out RlpItem? item);
        VectorCheck.Equal(accepted, RlpReader.IsWellFormed(input), "verdict of the reader and of the tree");
        string must = vector.Text("must");
        switch (must)
        {
            case "accept":
                VectorCheck.True(accepted, "was refused");
                break;
            case "reject":
                VectorCheck.True(!accepted, "was accepted");
                break;
            case "either":
                break;
            default:
                throw new VectorException("unknown verdict " + must);
        }

        if (accepted && !vector.IsNull("value"))
        {
            VectorCheck.Tree(vector.Get("value"), item!, "value");
        }
    }

    /// <summary>Writes a typed value; what RLP has no form for is not supported.</summary>
    private static void Write(RlpWriter writer, JsonElement typed)
    {
        JsonProperty property = VectorValue.Single(typed);
        switch (property.Name)
        {
            case "bytes" or "bin" or "address":
                writer.WriteBytes(VectorCase.ToBytes(property.Value));
                break;
            case "text":
                writer.WriteText(VectorCase.ToText(property.Value));
                break;
            case "int":
                WriteInteger(writer, VectorCase.ToInteger(property.Value));
                break;
            case "nil":
                writer.WriteBytes([]);
                break;
            case "bits":
                writer.WriteBytes(FromBits(VectorCase.ToText(property.Value)));
                break;
            case "repeat" or "bin_repeat":
                writer.WriteBytes(VectorValue.Repeat(property.Value));
                break;
            case "list" or "tuple":
                WriteList(writer, property.Value.EnumerateArray());
                break;
            case "map":
                WriteMap(writer, property.Value);
                break;
            default:
                throw new NotSupportedException("RLP has no form for " + property.Name);
        }
    }

    private static void WriteInteger(RlpWriter writer, BigInteger value)
    {
        if (value >= 0 && value <= ulong.MaxValue)
        {
            writer.WriteUInt64((ulong)value);
            return;
        }

        writer.WriteBigInteger(value);
    }

    private static void WriteList(RlpWriter writer, IEnumerable<JsonElement> items)
    {
        writer.BeginList();
        foreach (JsonElement item in items)
        {
            Write(writer, item);
        }

        writer.EndList();
    }

    private static void WriteMap(RlpWriter writer, JsonElement pairs)
    {
        writer.BeginList();
        foreach (JsonElement pair in pairs.EnumerateArray().OrderBy(pair => pair[0].GetString(), StringComparer.Ordinal))
        {
            writer.BeginList();
            writer.WriteText(VectorCase.ToText(pair[0]));
            Write(writer, pair[1]);
            writer.EndList();
        }

        writer.EndList();
    }

    /// <summary>Bits that do not fill bytes travel as the characters 0 and 1.</summary>
    private static byte[] FromBits(string bits)
    {
        if (bits.Length % 8 != 0)
        {
            return Encoding.ASCII.GetBytes(bits);
        }

        byte[] bytes = new byte[bits.Length / 8];
        for (int i = 0; i < bytes.Length; i++)
        {
            bytes[i] = byte.Parse(bits.AsSpan(8 * i, 8), NumberStyles.BinaryNumber, CultureInfo.InvariantCulture);
        }

        return bytes;
    }
}
