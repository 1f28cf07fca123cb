namespace Diode.Tunnel.Engine;

/// <summary>An error for the user: what happened, and the command or step that fixes it.</summary>
public sealed class TunnelException : Exception
{
    /// <summary>Creates the error.</summary>
    /// <param name="message">What happened, one sentence.</param>
    /// <param name="hint">The command or step that helps; may be empty.</param>
    /// <param name="code">Stable upper-case code for programs.</param>
    public TunnelException(string message, string hint = "", string code = "UNAVAILABLE")
        : base(message)
    {
        Hint = hint;
        Code = code;
    }

    /// <summary>The command or step that helps; may be empty.</summary>
    public string Hint { get; }

    /// <summary>Stable code for programs.</summary>
    public string Code { get; }
}
