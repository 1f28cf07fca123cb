namespace Diode.Tunnel.Cli.Output;

/// <summary>An argument as a shell takes it back.</summary>
internal static class ShellQuote
{
    internal static string Of(string argument)
    {
        bool plain = argument.Length > 0
            && argument.All(c => char.IsAsciiLetterOrDigit(c) || "-_./:@,=+%".Contains(c, StringComparison.Ordinal));
        return plain ? argument : "'" + argument.Replace("'", "'\\''", StringComparison.Ordinal) + "'";
    }
}
