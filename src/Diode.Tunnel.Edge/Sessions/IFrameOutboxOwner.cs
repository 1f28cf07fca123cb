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

    /// <summary>Frames of datagrams waited too long and were dropped. Called by the flusher, outside locks of the outbox.</summary>
    /// <param name="count">How many.</param>
    /// <param name="bytes">Their bytes, with their two bytes of length.</param>
    void OnDatagramsExpired(int count, int bytes)
    {
    }
}
