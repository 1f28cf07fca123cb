using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Relay.RelayPeers;

/// <summary>
/// Does things at once and repeats of them no sooner than a waiting time later, however often they are asked for.
/// Thread-safe.
/// </summary>
/// <param name="capacity">Keys that are remembered; beyond that everything is done at once.</param>
internal sealed class Debounce(int capacity)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<Hash256, (long DueMs, int WaitMs, bool IsWanted)> _waiting = [];
    private readonly PriorityQueue<Hash256, long> _due = new();

    /// <summary>True: do it now. False: <see cref="TakeDue"/> will name the key.</summary>
    public bool Request(in Hash256 key, int waitMs, long nowMs)
    {
        lock (_gate)
        {
            if (_waiting.TryGetValue(key, out (long DueMs, int WaitMs, bool IsWanted) entry))
            {
                _waiting[key] = entry with { IsWanted = true };
                return false;
            }

            if (_waiting.Count < capacity)
            {
                _waiting[key] = (nowMs + waitMs, waitMs, false);
                _due.Enqueue(key, nowMs + waitMs);
            }

            return true;
        }
    }

    /// <summary>The keys whose waiting time is over and that were asked for again meanwhile; it begins anew for them.</summary>
    public IReadOnlyList<Hash256> TakeDue(long nowMs)
    {
        lock (_gate)
        {
            List<Hash256>? due = null;
            while (_due.TryPeek(out Hash256 key, out long dueMs) && dueMs <= nowMs)
            {
                _due.Dequeue();
                (_, int waitMs, bool isWanted) = _waiting[key];
                if (isWanted)
                {
                    (due ??= []).Add(key);
                    _waiting[key] = (nowMs + waitMs, waitMs, false);
                    _due.Enqueue(key, nowMs + waitMs);
                }
                else
                {
                    _waiting.Remove(key);
                }
            }

            return due ?? [];
        }
    }
}
