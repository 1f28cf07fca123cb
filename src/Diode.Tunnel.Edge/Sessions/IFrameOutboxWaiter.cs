namespace Diode.Tunnel.Edge.Sessions;

/// <summary>A sender that was refused by a full <see cref="FrameOutbox"/> and stopped reading its own input.</summary>
public interface IFrameOutboxWaiter
{
    /// <summary>
    /// The queue has room again, or was closed: try once more. Called once per refusal, from the thread that empties
    /// the queue and outside its lock; must only schedule the work.
    /// </summary>
    void OnOutboxRoom();
}
