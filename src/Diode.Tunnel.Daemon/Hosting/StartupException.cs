namespace Diode.Tunnel.Daemon.Hosting;

/// <summary>The daemon cannot start (or go on) for a reason a person can act on: printed as one line and a hint.</summary>
public sealed class StartupException : Exception
{
    /// <summary>Creates the failure.</summary>
    /// <param name="exitCode">One of <see cref="DaemonExitCodes"/>.</param>
    /// <param name="message">The cause, one line.</param>
    /// <param name="hint">The command or step that cures it.</param>
    /// <param name="innerException">The cause, for debug logs.</param>
    public StartupException(int exitCode, string message, string? hint = null, Exception? innerException = null)
        : base(message, innerException)
    {
        ExitCode = exitCode;
        Hint = hint;
    }

    /// <summary>One of <see cref="DaemonExitCodes"/>.</summary>
    public int ExitCode { get; }

    /// <summary>The command or step that cures it.</summary>
    public string? Hint { get; }
}
