using System.Text.Json;
using Diode.Tunnel.Edge.Bert;
using Diode.Tunnel.Edge.Framing;

namespace Diode.Tunnel.Testing.Vectors;

/// <summary>bert.json</summary>
internal static class BertVectors
{
    public static void Run(VectorCase vector)
    {
        switch (vector.Kind)
        {
            case "encode":
                RunEncode(vector);
                break;
            case "decode":
                byte[] input = vector.Hex("input");
                CheckDecoded(vector, "safe_decoder", BertDecoder.TryDecode(input, BertAtoms.Known, out BertTerm? safe), safe);
                CheckDecoded(vector, "plain_decoder", BertDecoder.TryDecode(input, BertAtoms.Any, out BertTerm? any), any);
                break;
            case "peer_payload_decode":
                bool decoded = BertDecoder.TryDecodePeerPayload(vector.Hex("input"), out BertTerm? term);
                CheckDecoded(vector, "result", decoded, term);
                break;
            default:
                throw new VectorException("unknown kind " + vector.Kind);
        }
    }

    private static void RunEncode(VectorCase vector)
    {
        BertTerm term = ToTerm(vector.Get("term"));
        byte[] encoded = BertEncoder.Encode(term);
        bool keepsOrder = !HasMap(term);
        if (keepsOrder)
        {
            VectorCheck.Field(vector, "etf_minor1", encoded);
        }

        VectorCheck.True(BertDecoder.TryDecode(encoded, BertAtoms.Any, out BertTerm? own), "our own encoding was refused");
        CheckSame(term, own!, "our own encoding");
        CheckEncoded(vector, "etf_minor1", term);
        if (vector.Has("etf_minor2"))
        {
            CheckEncoded(vector, "etf_minor2", term);
            if (keepsOrder)
            {
                VectorCheck.Bytes(vector.Hex("etf_minor2"), BertEncoder.Encode(term, utf8Atoms: true), "etf_minor2");
            }
        }

        if (vector.Has("peer_deflated"))
        {
            VectorCheck.True(
                BertDecoder.TryDecodePeerPayload(vector.Hex("peer_deflated"), out BertTerm? inflated),
                "peer_deflated was refused");
            CheckSame(term, inflated!, "peer_deflated");
        }

        VectorCheck.True(
            BertDecoder.TryDecodePeerPayload(RawDeflate.Deflate(encoded), out BertTerm? again),
            "our own deflated payload was refused");
        CheckSame(term, again!, "our own deflated payload");

        // True everywhere: the encoder of objects and minor version 1 are the same but for the order of map keys.
        VectorCheck.True(vector.Bool("object_encoder_same_as_minor1") || !keepsOrder, "object encoder");
    }

    private static void CheckEncoded(VectorCase vector, string field, BertTerm term)
    {
        if (vector.Has(field))
        {
            VectorCheck.True(
                BertDecoder.TryDecode(vector.Hex(field), BertAtoms.Any, out BertTerm? read), field + " was refused");
            CheckSame(term, read!, field);
        }
    }

    private static void CheckDecoded(VectorCase vector, string field, bool decoded, BertTerm? actual)
    {
        JsonElement expected = vector.Get(field);
        if (expected.ValueKind == JsonValueKind.Object && expected.TryGetProperty("error", out _))
        {
            VectorCheck.True(!decoded, field + " accepts it");
            return;
        }

        VectorCheck.True(decoded, field + " refuses it");
        if (expected.ValueKind == JsonValueKind.Object && expected.TryGetProperty("improper_list", out _))
        {
            VectorCheck.Equal(BertKind.ImproperList, actual!.Kind, field);
            return;
        }

        CheckSame(ToTerm(expected), actual!, field);
    }

    private static bool HasMap(BertTerm term)
    {
        return term.Kind == BertKind.Map || term.Items.Any(HasMap);
    }

    private static void CheckSame(BertTerm expected, BertTerm actual, string what)
    {
        VectorCheck.Bytes(BertEncoder.Encode(Sorted(expected)), BertEncoder.Encode(Sorted(actual)), what);
    }

    /// <summary>The order of map keys is not significant.</summary>
    private static BertTerm Sorted(BertTerm term)
    {
        switch (term.Kind)
        {
            case BertKind.List:
                return BertTerm.FromList([.. term.Items.Select(Sorted)]);
            case BertKind.Tuple:
                return BertTerm.FromTuple([.. term.Items.Select(Sorted)]);
            case BertKind.Map:
                IEnumerable<BertTerm[]> pairs = term.Items.Select(Sorted).Chunk(2)
                    .OrderBy(pair => Convert.ToHexString(BertEncoder.Encode(pair[0])), StringComparer.Ordinal);
                return BertTerm.FromMap([.. pairs.SelectMany(pair => pair)]);
            default:
                return term;
        }
    }

    private static BertTerm ToTerm(JsonElement typed)
    {
        JsonProperty property = VectorValue.Single(typed);
        JsonElement value = property.Value;
        switch (property.Name)
        {
            case "int":
                return BertTerm.FromNumber(VectorCase.ToInteger(value));
            case "float":
                return BertTerm.FromReal(value.GetDouble());
            case "bin" or "bytes":
                return BertTerm.FromBinary(VectorCase.ToBytes(value));
            case "text":
                return BertTerm.FromText(VectorCase.ToText(value));
            case "bin_repeat" or "repeat":
                return BertTerm.FromBinary(VectorValue.Repeat(value));
            case "list_repeat":
                var repeat = new VectorCase(value);
                var item = BertTerm.FromNumber(repeat.Number("int"));
                return BertTerm.FromList([.. Enumerable.Repeat(item, (int)repeat.Number("count"))]);
            case "atom":
                return BertTerm.FromAtom(VectorCase.ToText(value));
            case "nil":
                return BertTerm.FromAtom("nil");
            case "bool":
                return BertTerm.FromAtom(value.GetBoolean() ? "true" : "false");
            case "bits":
                return ToBits(VectorCase.ToText(value));
            case "list":
                return BertTerm.FromList([.. value.EnumerateArray().Select(ToTerm)]);
            case "tuple":
                return BertTerm.FromTuple([.. value.EnumerateArray().Select(ToTerm)]);
            case "map":
                return BertTerm.FromMap(
                    [.. value.EnumerateArray().SelectMany(pair => pair.EnumerateArray().Select(ToTerm))]);
            default:
                throw new VectorException("unknown type " + property.Name);
        }
    }

    private static BertTerm ToBits(string bits)
    {
        byte[] bytes = new byte[(bits.Length + 7) / 8];
        for (int i = 0; i < bits.Length; i++)
        {
            bytes[i / 8] |= (byte)((bits[i] - '0') << (7 - (i % 8)));
        }

        return BertTerm.FromBits(bytes, bits.Length % 8 == 0 ? 8 : bits.Length % 8);
    }
}
