namespace Diode.Tunnel.Relay.Rpc;

/// <summary>Bounds of the JSON-RPC interface.</summary>
internal static class RpcLimits
{
    /// <summary>Longest request body or WebSocket message, bytes.</summary>
    public const int MaxBody = 1 << 20;

    /// <summary>Bytes of a request's body that are read before the connection is reset; what is over <see cref="MaxBody"/> is thrown away.</summary>
    public const int MaxDrainedBody = 8 << 20;

    /// <summary>Deepest nesting of a request.</summary>
    public const int MaxDepth = 32;

    /// <summary>Most requests of a batch.</summary>
    public const int MaxBatch = 1000;

    /// <summary>Requests of a batch that are handled at once.</summary>
    public const int BatchWidth = 16;

    /// <summary>Longest answer to a batch, bytes; what comes after is refused.</summary>
    public const int MaxBatchAnswer = 8 << 20;

    /// <summary>Connections at once.</summary>
    public const int MaxConnections = 2_000;

    /// <summary>Connections at once from one address (IPv6: one /64).</summary>
    public const int MaxConnectionsPerAddress = 100;

    /// <summary>Requests of one address: this many at once, then this many a second.</summary>
    public const int RequestBurst = 2_000;

    /// <summary>See <see cref="RequestBurst"/>.</summary>
    public const int RequestsPerSecond = 100;

    /// <summary>What a ticket counts for: its signatures cost most of a millisecond.</summary>
    public const int TicketWeight = 10;

    /// <summary>Requests of one WebSocket that are under way at once; then it is not read.</summary>
    public const int SocketWidth = 16;

    /// <summary>Bytes that wait to be sent to one WebSocket; one that has more is not read, and cut when more comes.</summary>
    public const int MaxSocketBacklog = 4 << 20;

    /// <summary>Bytes of requests that are being read and of answers that wait, over all connections.</summary>
    public const long MaxMemory = 256 << 20;

    /// <summary>A WebSocket must take a message in this time, milliseconds.</summary>
    public const long SendTimeoutMs = 30_000;

    /// <summary>A WebSocket that sends nothing for so long is closed, milliseconds.</summary>
    public const long IdleMs = 60 * 60_000;

    /// <summary>Subscriptions of one WebSocket.</summary>
    public const int MaxSubscriptions = 16;

    /// <summary>Most entries of <c>dio_tickets</c> in one answer.</summary>
    public const int MaxTickets = 10_000;
}
