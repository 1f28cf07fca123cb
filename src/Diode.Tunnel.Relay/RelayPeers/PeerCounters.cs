namespace Diode.Tunnel.Relay.RelayPeers;

/// <summary>Plain counters of the links between relays; each is only ever incremented. Thread-safe.</summary>
internal sealed class PeerCounters
{
    private long _messages;
    private long _ignored;
    private long _stored;
    private long _storesRefused;
    private long _violations;
    private long _links;
    private long _dials;
    private long _dialFailures;
    private long _refused;
    private long _wrongKeys;
    private long _lies;
    private long _lookups;
    private long _lookupsFound;
    private long _writes;
    private long _writesFailed;
    private long _repairs;
    private long _portsOpened;
    private long _portsRefused;
    private long _portBytes;
    private long _messagesForwarded;
    private long _messagesDelivered;

    public void Message() => Interlocked.Increment(ref _messages);

    public void Ignored() => Interlocked.Increment(ref _ignored);

    public void Stored() => Interlocked.Increment(ref _stored);

    public void StoreRefused() => Interlocked.Increment(ref _storesRefused);

    public void Violation() => Interlocked.Increment(ref _violations);

    public void Link() => Interlocked.Increment(ref _links);

    public void Dial() => Interlocked.Increment(ref _dials);

    public void DialFailed() => Interlocked.Increment(ref _dialFailures);

    public void Refused() => Interlocked.Increment(ref _refused);

    public void WrongKey() => Interlocked.Increment(ref _wrongKeys);

    public void Lie() => Interlocked.Increment(ref _lies);

    public void Lookup() => Interlocked.Increment(ref _lookups);

    public void LookupFound() => Interlocked.Increment(ref _lookupsFound);

    public void Write() => Interlocked.Increment(ref _writes);

    public void WriteFailed() => Interlocked.Increment(ref _writesFailed);

    public void Repair() => Interlocked.Increment(ref _repairs);

    public void PortOpened() => Interlocked.Increment(ref _portsOpened);

    public void PortRefused() => Interlocked.Increment(ref _portsRefused);

    public void PortBytes(int count) => Interlocked.Add(ref _portBytes, count);

    public void MessageForwarded() => Interlocked.Increment(ref _messagesForwarded);

    public void MessageDelivered() => Interlocked.Increment(ref _messagesDelivered);

    /// <summary>Names and values, for metrics and status.</summary>
    public IEnumerable<KeyValuePair<string, long>> Read()
    {
        yield return new("peer_messages", Volatile.Read(ref _messages));
        yield return new("peer_messages_ignored", Volatile.Read(ref _ignored));
        yield return new("peer_objects_stored", Volatile.Read(ref _stored));
        yield return new("peer_objects_refused", Volatile.Read(ref _storesRefused));
        yield return new("peer_violations", Volatile.Read(ref _violations));
        yield return new("peer_links_opened", Volatile.Read(ref _links));
        yield return new("peer_dials", Volatile.Read(ref _dials));
        yield return new("peer_dials_failed", Volatile.Read(ref _dialFailures));
        yield return new("peer_connections_refused", Volatile.Read(ref _refused));
        yield return new("peer_wrong_keys", Volatile.Read(ref _wrongKeys));
        yield return new("peer_lies", Volatile.Read(ref _lies));
        yield return new("peer_lookups", Volatile.Read(ref _lookups));
        yield return new("peer_lookups_found", Volatile.Read(ref _lookupsFound));
        yield return new("peer_writes", Volatile.Read(ref _writes));
        yield return new("peer_writes_failed", Volatile.Read(ref _writesFailed));
        yield return new("peer_repairs", Volatile.Read(ref _repairs));
        yield return new("peer_ports_opened", Volatile.Read(ref _portsOpened));
        yield return new("peer_ports_refused", Volatile.Read(ref _portsRefused));
        yield return new("peer_port_bytes", Volatile.Read(ref _portBytes));
        yield return new("peer_messages_forwarded", Volatile.Read(ref _messagesForwarded));
        yield return new("peer_messages_delivered", Volatile.Read(ref _messagesDelivered));
    }
}
