namespace Diode.Tunnel.Cli;

/// <summary>A value on the command line is not usable; found by a command, not by the parser.</summary>
internal sealed class UsageException(string message, string hint) : Exception(message)
{
    /// <summary>How it would be right.</summary>
    internal string Hint { get; } = hint;
}
