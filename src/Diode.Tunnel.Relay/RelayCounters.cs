namespace Diode.Tunnel.Relay;

/// <summary>Plain counters of the relay; each is only ever incremented. Thread-safe.</summary>
internal sealed partial class RelayCounters
{
    private long _accepted;
    private long _chainRequests;
    private long _chainCacheHits;
    private long _chainFailures;
    private long _chainCommands;
    private long _rpcRequests;
    private long _rpcRefused;
    private long _rpcBadInput;
    private long _rpcSockets;
    private long _refusedByLimit;
    private long _failedHandshakes;
    private long _sessionsOpened;
    private long _badFrames;
    private long _slowReadersCut;
    private long _ticketDeadlines;
    private long _ticketsAccepted;
    private long _ticketsRefused;
    private long _portsOpened;
    private long _portOpensRefused;
    private long _bytesRelayed;
    private long _framesRelayed;
    private long _throttled;
    private long _datagramsRefused;
    private long _datagramsLate;
    private long _physicalOpened;
    private long _physicalPieces;
    private long _physicalBytes;
    private long _physicalDrops;
    private long _commandsRefused;
    private long _foreignRefs;
    private long _messagesDelivered;
    private long _messagesDropped;
    private long _channelsRefused;
    private long _internalErrors;

    public void ChainRequest() => Interlocked.Increment(ref _chainRequests);

    public void ChainCacheHit() => Interlocked.Increment(ref _chainCacheHits);

    public void ChainFailure() => Interlocked.Increment(ref _chainFailures);

    public void ChainCommand() => Interlocked.Increment(ref _chainCommands);

    /// <summary>Bytes of port data that were relayed.</summary>
    public long PortBytes => Volatile.Read(ref _bytesRelayed);

    public void RpcRequest() => Interlocked.Increment(ref _rpcRequests);

    public void RpcRefused() => Interlocked.Increment(ref _rpcRefused);

    public void RpcBadInput() => Interlocked.Increment(ref _rpcBadInput);

    public void RpcSocketOpened() => Interlocked.Increment(ref _rpcSockets);

    public void Accepted() => Interlocked.Increment(ref _accepted);

    public void RefusedByLimit() => Interlocked.Increment(ref _refusedByLimit);

    public void FailedHandshake() => Interlocked.Increment(ref _failedHandshakes);

    public void SessionOpened() => Interlocked.Increment(ref _sessionsOpened);

    public void BadFrame() => Interlocked.Increment(ref _badFrames);

    public void SlowReaderCut() => Interlocked.Increment(ref _slowReadersCut);

    public void TicketDeadline() => Interlocked.Increment(ref _ticketDeadlines);

    public void TicketAccepted() => Interlocked.Increment(ref _ticketsAccepted);

    public void TicketRefused() => Interlocked.Increment(ref _ticketsRefused);

    public void PortOpened() => Interlocked.Increment(ref _portsOpened);

    public void PortOpenRefused() => Interlocked.Increment(ref _portOpensRefused);

    public void Throttled() => Interlocked.Increment(ref _throttled);

    /// <summary>One <c>portsend</c> of datagrams found no room.</summary>
    public void DatagramsRefused() => Interlocked.Increment(ref _datagramsRefused);

    /// <summary>Frames of datagrams waited too long for their receiver.</summary>
    public void DatagramsLate(int count) => Interlocked.Add(ref _datagramsLate, count);

    public void PhysicalPortOpened() => Interlocked.Increment(ref _physicalOpened);

    public void PhysicalDrop() => Interlocked.Increment(ref _physicalDrops);

    public void CommandRefused() => Interlocked.Increment(ref _commandsRefused);

    public void ForeignRef() => Interlocked.Increment(ref _foreignRefs);

    public void MessageDelivered() => Interlocked.Increment(ref _messagesDelivered);

    public void MessageDropped() => Interlocked.Increment(ref _messagesDropped);

    public void ChannelRefused() => Interlocked.Increment(ref _channelsRefused);

    public void InternalError() => Interlocked.Increment(ref _internalErrors);

    public void CarriedPhysically(int bytes)
    {
        Interlocked.Increment(ref _physicalPieces);
        Interlocked.Add(ref _physicalBytes, bytes);
    }

    public void Relayed(int bytes)
    {
        Interlocked.Increment(ref _framesRelayed);
        Interlocked.Add(ref _bytesRelayed, bytes);
    }

    /// <summary>Names and values, for metrics and status.</summary>
    public IEnumerable<KeyValuePair<string, long>> Read()
    {
        yield return new("connections_accepted", Volatile.Read(ref _accepted));
        yield return new("connections_refused", Volatile.Read(ref _refusedByLimit));
        yield return new("handshakes_failed", Volatile.Read(ref _failedHandshakes));
        yield return new("sessions_opened", Volatile.Read(ref _sessionsOpened));
        yield return new("frames_bad", Volatile.Read(ref _badFrames));
        yield return new("slow_readers_cut", Volatile.Read(ref _slowReadersCut));
        yield return new("ticket_deadlines", Volatile.Read(ref _ticketDeadlines));
        yield return new("tickets_accepted", Volatile.Read(ref _ticketsAccepted));
        yield return new("tickets_refused", Volatile.Read(ref _ticketsRefused));
        yield return new("ports_opened", Volatile.Read(ref _portsOpened));
        yield return new("port_opens_refused", Volatile.Read(ref _portOpensRefused));
        yield return new("port_frames", Volatile.Read(ref _framesRelayed));
        yield return new("port_bytes", Volatile.Read(ref _bytesRelayed));
        yield return new("senders_throttled", Volatile.Read(ref _throttled));
        yield return new("port_datagram_frames_refused", Volatile.Read(ref _datagramsRefused));
        yield return new("port_datagram_frames_late", Volatile.Read(ref _datagramsLate));
        yield return new("physical_ports_opened", Volatile.Read(ref _physicalOpened));
        yield return new("physical_port_packets", Volatile.Read(ref _physicalPieces));
        yield return new("physical_port_bytes", Volatile.Read(ref _physicalBytes));
        yield return new("physical_port_drops", Volatile.Read(ref _physicalDrops));
        yield return new("commands_refused", Volatile.Read(ref _commandsRefused));
        yield return new("port_refs_foreign", Volatile.Read(ref _foreignRefs));
        yield return new("messages_delivered", Volatile.Read(ref _messagesDelivered));
        yield return new("messages_dropped", Volatile.Read(ref _messagesDropped));
        yield return new("channels_refused", Volatile.Read(ref _channelsRefused));
        yield return new("internal_errors", Volatile.Read(ref _internalErrors));
        yield return new("chain_requests", Volatile.Read(ref _chainRequests));
        yield return new("chain_cache_hits", Volatile.Read(ref _chainCacheHits));
        yield return new("chain_failures", Volatile.Read(ref _chainFailures));
        yield return new("chain_commands", Volatile.Read(ref _chainCommands));
        yield return new("rpc_requests", Volatile.Read(ref _rpcRequests));
        yield return new("rpc_refused", Volatile.Read(ref _rpcRefused));
        yield return new("rpc_bad_input", Volatile.Read(ref _rpcBadInput));
        yield return new("rpc_websockets", Volatile.Read(ref _rpcSockets));
        foreach (KeyValuePair<string, long> counter in ReadExits())
        {
            yield return counter;
        }
    }
}
