using System.Globalization;
using System.Numerics;
using System.Text;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.IntegrationTests.Evm;

/// <summary>
/// A general ABI coder driven by type names, for tests: numbers are <see cref="BigInteger"/>, everything dynamic nests. It shares
/// nothing with the program's own, so the two check each other.
/// </summary>
internal static class AbiText
{
    /// <summary>Encodes values by a list of types as in <c>address,uint256[],(string,bool)</c>.</summary>
    public static byte[] Encode(string types, params object[] values) => EncodeAll(Split(types), values);

    /// <summary>Decodes to addresses, numbers, booleans, strings, byte arrays and object arrays.</summary>
    public static object[] Decode(string types, byte[] data) => DecodeAll(Split(types), data, 0);

    /// <summary>The types inside the parentheses of a signature.</summary>
    public static string TypesOf(string signature) => signature[(signature.IndexOf('(', StringComparison.Ordinal) + 1)..^1];

    private static List<string> Split(string types)
    {
        List<string> list = [];
        int depth = 0;
        int start = 0;
        for (int i = 0; i < types.Length; i++)
        {
            depth += types[i] == '(' ? 1 : types[i] == ')' ? -1 : 0;
            if (types[i] == ',' && depth == 0)
            {
                list.Add(types[start..i]);
                start = i + 1;
            }
        }

        if (types.Length > 0)
        {
            list.Add(types[start..]);
        }

        return list;
    }

    private static bool IsDynamic(string type) =>
        type is "string" or "bytes"
        || type.EndsWith("[]", StringComparison.Ordinal)
        || (type.EndsWith(']') && IsDynamic(ElementOf(type)))
        || (type.EndsWith(')') && Split(type[1..^1]).Any(IsDynamic));

    private static string ElementOf(string type) => type[..type.LastIndexOf('[')];

    private static List<string> Elements(string type, int count) => [.. Enumerable.Repeat(ElementOf(type), count)];

    private static int FixedCount(string type) =>
        int.Parse(type.AsSpan(type.LastIndexOf('[') + 1).TrimEnd(']'), CultureInfo.InvariantCulture);

    private static int HeadLength(string type) =>
        IsDynamic(type) ? 32
        : type.EndsWith(')') ? Split(type[1..^1]).Sum(HeadLength)
        : type.EndsWith(']') ? FixedCount(type) * HeadLength(ElementOf(type))
        : 32;

    private static byte[] EncodeAll(List<string> types, object[] values)
    {
        if (types.Count != values.Length)
        {
            throw new ArgumentException($"{types.Count} types, {values.Length} values");
        }

        using var heads = new MemoryStream();
        using var tails = new MemoryStream();
        int offset = types.Sum(HeadLength);
        for (int i = 0; i < types.Count; i++)
        {
            byte[] encoded = EncodeOne(types[i], values[i]);
            if (IsDynamic(types[i]))
            {
                heads.Write(Word(offset + tails.Length));
                tails.Write(encoded);
            }
            else
            {
                heads.Write(encoded);
            }
        }

        return [.. heads.ToArray(), .. tails.ToArray()];
    }

    private static byte[] EncodeOne(string type, object value)
    {
        if (type.EndsWith("[]", StringComparison.Ordinal))
        {
            object[] items = [.. ((System.Collections.IEnumerable)value).Cast<object>()];
            return [.. Word(items.Length), .. EncodeAll(Elements(type, items.Length), items)];
        }

        if (type.EndsWith(']'))
        {
            object[] items = [.. ((System.Collections.IEnumerable)value).Cast<object>()];
            return EncodeAll(Elements(type, items.Length), items);
        }

        return type switch
        {
            "string" => EncodeBytes(Encoding.UTF8.GetBytes((string)value)),
            "bytes" => EncodeBytes((byte[])value),
            "address" => [.. new byte[12], .. ((Address)value).ToArray()],
            "bool" => Word((bool)value ? 1 : 0),
            "bytes32" => value is Hash256 hash ? hash.ToArray() : (byte[])value,
            _ when type.StartsWith('(') => EncodeAll(Split(type[1..^1]), (object[])value),
            _ => Word(value is BigInteger number ? number : new BigInteger(Convert.ToDecimal(value, CultureInfo.InvariantCulture))),
        };
    }

    private static byte[] EncodeBytes(byte[] bytes) =>
        [.. Word(bytes.Length), .. bytes, .. new byte[(32 - (bytes.Length % 32)) % 32]];

    private static byte[] Word(BigInteger number)
    {
        byte[] digits = number.ToByteArray(isUnsigned: true, isBigEndian: true);
        return [.. new byte[32 - digits.Length], .. digits];
    }

    private static object[] DecodeAll(List<string> types, byte[] data, int start)
    {
        var values = new object[types.Count];
        int position = start;
        for (int i = 0; i < values.Length; i++)
        {
            int at = IsDynamic(types[i]) ? start + (int)Number(data, position) : position;
            values[i] = DecodeOne(types[i], data, at);
            position += HeadLength(types[i]);
        }

        return values;
    }

    private static object DecodeOne(string type, byte[] data, int at)
    {
        if (type.EndsWith("[]", StringComparison.Ordinal))
        {
            return DecodeAll(Elements(type, (int)Number(data, at)), data, at + 32);
        }

        return type switch
        {
            "string" => Encoding.UTF8.GetString(data, at + 32, (int)Number(data, at)),
            "bytes" => data.AsSpan(at + 32, (int)Number(data, at)).ToArray(),
            "address" => new Address(data.AsSpan(at + 12, 20)),
            "bool" => Number(data, at) == 1,
            "bytes32" => new Hash256(data.AsSpan(at, 32)),
            _ when type.StartsWith('(') => DecodeAll(Split(type[1..^1]), data, at),
            _ => Number(data, at),
        };
    }

    private static BigInteger Number(byte[] data, int at) => new(data.AsSpan(at, 32), isUnsigned: true, isBigEndian: true);
}
