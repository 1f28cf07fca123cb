using System.Buffers;
using System.Globalization;

namespace Diode.Tunnel.Control;

/// <summary>
/// Numbers of bytes as people write them: <c>500MB</c>, <c>1.5GiB</c>, <c>10g</c>, <c>4096</c>. Units of 1000 (k, M, G, T, with or
/// without B) and of 1024 (KiB, MiB, GiB, TiB); case does not matter.
/// </summary>
public static class ByteSize
{
    /// <summary>What the grammar is, for messages.</summary>
    public const string Rule = "a number with a unit such as 500MB, 10GB or 1TiB";

    /// <summary>Most that can be said: 2^50, which is also the most a ticket may sign for.</summary>
    public const long Most = 1L << 50;

    private static readonly SearchValues<char> Digits = SearchValues.Create("0123456789.");

    private static readonly Dictionary<string, double> Units = new(StringComparer.OrdinalIgnoreCase)
    {
        [""] = 1,
        ["B"] = 1,
        ["K"] = 1e3,
        ["KB"] = 1e3,
        ["M"] = 1e6,
        ["MB"] = 1e6,
        ["G"] = 1e9,
        ["GB"] = 1e9,
        ["T"] = 1e12,
        ["TB"] = 1e12,
        ["KiB"] = 1L << 10,
        ["MiB"] = 1L << 20,
        ["GiB"] = 1L << 30,
        ["TiB"] = 1L << 40,
    };

    /// <summary>Reads a size above 0; false when it is none or more than <see cref="Most"/>.</summary>
    public static bool TryParse(string? text, out long bytes)
    {
        bytes = 0;
        text = text?.Trim() ?? "";
        int digits = text.AsSpan().IndexOfAnyExcept(Digits);
        string number = digits < 0 ? text : text[..digits];
        string unit = digits < 0 ? "" : text[digits..].Trim();
        if (!Units.TryGetValue(unit, out double factor)
            || !double.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double amount)
            || amount * factor is not (>= 1 and <= Most))
        {
            return false;
        }

        bytes = (long)(amount * factor);
        return true;
    }
}
