namespace Diode.Tunnel.Platform.Storage;

/// <summary>The SQLite library is not on this machine.</summary>
/// <param name="message">What is missing.</param>
/// <param name="hint">How to install it.</param>
/// <param name="innerException">The cause.</param>
public sealed class SqliteMissingException(string message, string hint, Exception innerException)
    : Exception($"{message} ({hint})", innerException)
{
    /// <summary>How to install it; already part of the message.</summary>
    public string Hint { get; } = hint;
}
