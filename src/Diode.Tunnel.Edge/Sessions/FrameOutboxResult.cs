namespace Diode.Tunnel.Edge.Sessions;

/// <summary>What became of a frame offered to a <see cref="FrameOutbox"/>.</summary>
public enum FrameOutboxResult
{
    /// <summary>The frame is queued.</summary>
    Queued,

    /// <summary>No room; nothing was written and the waiter will be called.</summary>
    Full,

    /// <summary>The session is closed or about to be; nothing was written and nobody will be called.</summary>
    Closed,

    /// <summary>No room for datagrams; nothing was written and nobody will be called.</summary>
    Dropped,
}
