namespace Diode.Tunnel.Edge.Sessions;

/// <summary>How far a relay-side session got with the bytes it was given.</summary>
public enum EdgeServerStatus
{
    /// <summary>Every whole frame is handled; more input is welcome.</summary>
    NeedInput,

    /// <summary>
    /// A frame cannot be handled until a queue has room. Do not read more from this peer; run again when the waiter
    /// of the session was called.
    /// </summary>
    Blocked,

    /// <summary>The peer broke the framing; close. The reason is in <see cref="EdgeServerSession.Failure"/>.</summary>
    Failed,
}
