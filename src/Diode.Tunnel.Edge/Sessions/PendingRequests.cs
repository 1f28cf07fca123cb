namespace Diode.Tunnel.Edge.Sessions;

/// <summary>What the answer to a request is for.</summary>
internal enum RequestKind
{
    Hello,
    Ticket,
    PortOpen,
    UnpaidBytes,
    BlockPeak,
    BlockHeader,
    Other,
}

/// <summary>Requests without an answer, at most as many as allowed. Numbers below 2 are not given out.</summary>
internal sealed class PendingRequests(int capacity)
{
    private const uint FirstId = 2;

    private readonly Dictionary<uint, (RequestKind Kind, long Deadline)> _requests = [];
    private uint _nextId = FirstId;

    /// <summary>Number of unanswered portopens.</summary>
    public int PortOpens { get; private set; }

    /// <summary>Number of unanswered questions for a block.</summary>
    public int BlockRequests { get; private set; }

    /// <summary>Number of unanswered requests.</summary>
    public int Count => _requests.Count;

    /// <summary>Notes a request; 0 when there are too many. What the session asks for itself always has room.</summary>
    public uint Add(RequestKind kind, long deadline)
    {
        if (_requests.Count >= capacity && kind is RequestKind.Other or RequestKind.PortOpen)
        {
            return 0;
        }

        uint id;
        do
        {
            id = _nextId;
            _nextId = _nextId == int.MaxValue ? FirstId : _nextId + 1;
        }
        while (!_requests.TryAdd(id, (kind, deadline)));
        PortOpens += kind == RequestKind.PortOpen ? 1 : 0;
        BlockRequests += kind is RequestKind.BlockPeak or RequestKind.BlockHeader ? 1 : 0;
        return id;
    }

    /// <summary>Takes a request out.</summary>
    public bool TryRemove(ulong id, out RequestKind kind)
    {
        kind = default;
        if (id > uint.MaxValue || !_requests.Remove((uint)id, out (RequestKind Kind, long Deadline) request))
        {
            return false;
        }

        kind = request.Kind;
        PortOpens -= kind == RequestKind.PortOpen ? 1 : 0;
        BlockRequests -= kind is RequestKind.BlockPeak or RequestKind.BlockHeader ? 1 : 0;
        return true;
    }

    /// <summary>Takes one request out whose deadline has passed.</summary>
    public bool TryRemoveExpired(long now, out uint id, out RequestKind kind)
    {
        foreach ((uint candidate, (RequestKind _, long deadline)) in _requests)
        {
            if (deadline <= now)
            {
                id = candidate;
                return TryRemove(candidate, out kind);
            }
        }

        id = 0;
        kind = default;
        return false;
    }
}
