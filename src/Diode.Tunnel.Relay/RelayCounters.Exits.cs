namespace Diode.Tunnel.Relay;

/// <content>Exit and TURN.</content>
internal sealed partial class RelayCounters
{
    private long _exitHandshakes;
    private long _exitSentBytes;
    private long _exitReceivedBytes;
    private long _exitDrops;
    private long _exitDenied;
    private long _exitSuspended;
    private long _exitExpired;

    private long _turnAllocations;
    private long _turnRefused;
    private long _turnBytes;
    private long _turnDrops;
    private long _stunBindings;

    public void TurnAllocated() => Interlocked.Increment(ref _turnAllocations);

    public void TurnRefused() => Interlocked.Increment(ref _turnRefused);

    public void TurnCarried(int bytes) => Interlocked.Add(ref _turnBytes, bytes);

    public void TurnDrop() => Interlocked.Increment(ref _turnDrops);

    public void StunBinding() => Interlocked.Increment(ref _stunBindings);

    public void ExitHandshake() => Interlocked.Increment(ref _exitHandshakes);

    public void ExitSent(int bytes) => Interlocked.Add(ref _exitSentBytes, bytes);

    public void ExitReceived(int bytes) => Interlocked.Add(ref _exitReceivedBytes, bytes);

    public void ExitDrop(int count)
    {
        if (count > 0)
        {
            Interlocked.Add(ref _exitDrops, count);
        }
    }

    public void ExitDenied() => Interlocked.Increment(ref _exitDenied);

    public void ExitClientSuspended() => Interlocked.Increment(ref _exitSuspended);

    public void ExitClientExpired() => Interlocked.Increment(ref _exitExpired);

    private IEnumerable<KeyValuePair<string, long>> ReadExits()
    {
        yield return new("wireguard_handshakes", Volatile.Read(ref _exitHandshakes));
        yield return new("wireguard_bytes_to_internet", Volatile.Read(ref _exitSentBytes));
        yield return new("wireguard_bytes_from_internet", Volatile.Read(ref _exitReceivedBytes));
        yield return new("wireguard_drops", Volatile.Read(ref _exitDrops));
        yield return new("wireguard_denied", Volatile.Read(ref _exitDenied));
        yield return new("wireguard_clients_suspended", Volatile.Read(ref _exitSuspended));
        yield return new("wireguard_clients_expired", Volatile.Read(ref _exitExpired));
        yield return new("turn_allocations_made", Volatile.Read(ref _turnAllocations));
        yield return new("turn_requests_refused", Volatile.Read(ref _turnRefused));
        yield return new("turn_bytes", Volatile.Read(ref _turnBytes));
        yield return new("turn_drops", Volatile.Read(ref _turnDrops));
        yield return new("stun_bindings", Volatile.Read(ref _stunBindings));
    }
}
