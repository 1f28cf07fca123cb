namespace Diode.Tunnel.Relay.Listening;

/// <summary>
/// The connections that got output while this thread handled one piece of input. They are flushed by the same thread
/// when the piece is done, so that many small frames share a TLS record and nothing is handed to another thread.
/// </summary>
internal sealed class FlushBatch
{
    [ThreadStatic]
    private static FlushBatch? _current;

    private readonly List<EdgeConnection> _connections = [];
    private bool _active;

    /// <summary>Collects on this thread until <see cref="End"/>.</summary>
    public static void Begin()
    {
        FlushBatch batch = _current ??= new FlushBatch();
        batch._active = true;
    }

    /// <summary>Adds a connection to the running batch; false when there is none.</summary>
    public static bool TryAdd(EdgeConnection connection)
    {
        FlushBatch? batch = _current;
        if (batch is null || !batch._active)
        {
            return false;
        }

        batch._connections.Add(connection);
        return true;
    }

    /// <summary>Flushes what was collected.</summary>
    public static void End()
    {
        FlushBatch batch = _current!;
        batch._active = false;
        foreach (EdgeConnection connection in batch._connections)
        {
            connection.Flush();
        }

        batch._connections.Clear();
    }
}
