namespace Diode.Tunnel.Relay.RelayPeers;

/// <summary>Plain counters of the links between relays; each is only ever incremented. Thread-safe.</summary>
internal sealed class PeerCounters
{
    private long _messages;
    private long _ignored;
    private long _stored;
    private long _storesRefused;
    private long _violations;

    public void Message() => Interlocked.Increment(ref _messages);

    public void Ignored() => Interlocked.Increment(ref _ignored);

    public void Stored() => Interlocked.Increment(ref _stored);

    public void StoreRefused() => Interlocked.Increment(ref _storesRefused);

    public void Violation() => Interlocked.Increment(ref _violations);

    /// <summary>Names and values, for metrics and status.</summary>
    public IEnumerable<KeyValuePair<string, long>> Read()
    {
        yield return new("peer_messages", Volatile.Read(ref _messages));
        yield return new("peer_messages_ignored", Volatile.Read(ref _ignored));
        yield return new("peer_objects_stored", Volatile.Read(ref _stored));
        yield return new("peer_objects_refused", Volatile.Read(ref _storesRefused));
        yield return new("peer_violations", Volatile.Read(ref _violations));
    }
}
