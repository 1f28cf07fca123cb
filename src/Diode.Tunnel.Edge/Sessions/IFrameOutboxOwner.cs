namespace Diode.Tunnel.Edge.Sessions;

/// <summary>Who empties a <see cref="FrameOutbox"/>: the shell of one session.</summary>
public interface IFrameOutboxOwner
{
    /// <summary>
    /// There is output again after the queue was empty. Called from any thread, possibly under a lock of the caller:
    /// must only schedule the work.
    /// </summary>
    void OnOutputAvailable();

    /// <summary>
    /// The control reserve is used up: the peer does not read at all and the session must be closed. Called once,
    /// under the same rules as <see cref="OnOutputAvailable"/>.
    /// </summary>
    void OnOutputOverflow();
}
