using System.Runtime.InteropServices;

namespace Diode.Tunnel.Platform;

/// <summary>The operating system refused something. The message names what was tried and why it failed.</summary>
public sealed class PlatformException : Exception
{
    // The values agree on every Linux architecture .NET runs on.
    private const int Eintr = 4;
    private const int Eagain = 11;
    private const int Enomem = 12;
    private const int Ebusy = 16;
    private const int Enetdown = 100;
    private const int Enetunreach = 101;
    private const int Econnreset = 104;
    private const int Enobufs = 105;
    private const int Etimedout = 110;
    private const int Econnrefused = 111;
    private const int Ehostunreach = 113;

    /// <summary>Creates the exception from a text that is complete in itself.</summary>
    /// <param name="message">What was tried and why it failed, in one sentence.</param>
    /// <param name="errno">errno (Linux) or Win32 error code; 0 if there is none.</param>
    /// <param name="hint">What the user can do about it, in one sentence.</param>
    /// <param name="innerException">The cause, if it was an exception.</param>
    public PlatformException(string message, int errno = 0, string? hint = null, Exception? innerException = null)
        : base(hint is null ? message : $"{message} ({hint})", innerException)
    {
        Errno = errno;
        Hint = hint;
    }

    /// <summary>errno (Linux) or Win32 error code; 0 if there is none.</summary>
    public int Errno { get; }

    /// <summary>What the user can do about it; already part of <see cref="Exception.Message"/>.</summary>
    public string? Hint { get; }

    /// <summary>True if the same call may succeed later without anybody changing the configuration.</summary>
    public bool IsTransient => Errno is Eintr or Eagain or Enomem or Ebusy or Enetdown or Enetunreach or Econnreset
        or Enobufs or Etimedout or Econnrefused or Ehostunreach;

    /// <summary>Builds "<paramref name="attempt"/>: text of the error (errno n)".</summary>
    /// <param name="attempt">What was tried, for example "Could not open /dev/net/tun".</param>
    /// <param name="errno">The error code, for example <see cref="Marshal.GetLastPInvokeError"/>.</param>
    /// <param name="hint">What the user can do about it.</param>
    public static PlatformException FromErrno(string attempt, int errno, string? hint = null) =>
        new($"{attempt}: {Marshal.GetPInvokeErrorMessage(errno)} (errno {errno})", errno, hint);
}
