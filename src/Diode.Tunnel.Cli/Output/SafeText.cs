using System.Text;

namespace Diode.Tunnel.Cli.Output;

/// <summary>Text of others on the terminal: labels and reasons come from other machines and may hold escape sequences.</summary>
internal static class SafeText
{
    /// <summary>The text with control and direction-changing characters replaced.</summary>
    internal static string Of(string text)
    {
        if (!text.Any(IsUnsafe))
        {
            return text;
        }

        var safe = new StringBuilder(text.Length);
        foreach (char c in text)
        {
            safe.Append(IsUnsafe(c) ? '?' : c);
        }

        return safe.ToString();
    }

    /// <summary>Control characters, and the marks that reorder text (Unicode TR9, TR36 §2).</summary>
    private static bool IsUnsafe(char c) =>
        char.IsControl(c) || c is >= '\u202a' and <= '\u202e' or >= '\u2066' and <= '\u2069' or '\u200e' or '\u200f';
}
