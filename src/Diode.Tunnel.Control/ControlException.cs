using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Control;

/// <summary>
/// An operation failed in a way the caller can be told: code, cause and cure. The backend throws it, the API turns it
/// into a <see cref="ControlError"/>, the client throws it again. Text goes to people as it is: no secrets, no stack.
/// </summary>
public sealed class ControlException : Exception
{
    /// <summary>Creates a failure.</summary>
    /// <param name="code">One of <see cref="ControlErrorCodes"/>.</param>
    /// <param name="message">The cause, one line.</param>
    /// <param name="hint">The command or step that cures it, or null.</param>
    /// <param name="httpStatus">The HTTP status it travels with.</param>
    /// <param name="innerException">For the log; never shown to the caller.</param>
    public ControlException(
        string code, string message, string? hint = null, int httpStatus = 400, Exception? innerException = null)
        : base(message, innerException)
    {
        Code = code;
        Hint = hint;
        HttpStatus = httpStatus;
    }

    /// <summary>One of <see cref="ControlErrorCodes"/>.</summary>
    public string Code { get; }

    /// <summary>The command or step that cures it, or null.</summary>
    public string? Hint { get; }

    /// <summary>The HTTP status it travels with.</summary>
    public int HttpStatus { get; }

    /// <summary>The body it travels in.</summary>
    public ControlError ToError() => new() { Code = Code, Message = Message, Hint = Hint };
}
