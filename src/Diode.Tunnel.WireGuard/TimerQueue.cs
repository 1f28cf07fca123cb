namespace Diode.Tunnel.WireGuard;

/// <summary>
/// Which peer to look at next: a binary heap with one entry per peer. A deadline that moves later leaves the entry where it
/// is; the peer is then found early and put back. So packets cost nothing here. Thread-safe.
/// </summary>
internal sealed class TimerQueue
{
    private readonly Lock _gate = new();
    private PeerTimers[] _heap = new PeerTimers[16];
    private int _count;

    /// <summary>Earliest time at which a peer may have something to do.</summary>
    public long NextTimeout
    {
        get
        {
            lock (_gate)
            {
                return _count == 0 ? PeerTimers.Off : _heap[0].ScheduledAt;
            }
        }
    }

    /// <summary>Makes sure that the peer is found at this time or before.</summary>
    public void Schedule(PeerTimers timers, long at)
    {
        lock (_gate)
        {
            if (at >= timers.ScheduledAt)
            {
                return;
            }

            timers.ScheduledAt = at;
            if (timers.HeapIndex < 0)
            {
                if (_count == _heap.Length)
                {
                    Array.Resize(ref _heap, 2 * _count);
                }

                timers.HeapIndex = _count++;
            }

            SiftUp(timers, timers.HeapIndex);
        }
    }

    /// <summary>Takes out a peer whose time has come.</summary>
    public PeerTimers? TakeDue(long now)
    {
        lock (_gate)
        {
            if (_count == 0 || _heap[0].ScheduledAt > now)
            {
                return null;
            }

            PeerTimers due = _heap[0];
            RemoveAt(0);
            return due;
        }
    }

    public void Remove(PeerTimers timers)
    {
        lock (_gate)
        {
            if (timers.HeapIndex >= 0)
            {
                RemoveAt(timers.HeapIndex);
            }
        }
    }

    private void RemoveAt(int index)
    {
        PeerTimers removed = _heap[index];
        removed.HeapIndex = -1;
        removed.ScheduledAt = PeerTimers.Off;
        PeerTimers last = _heap[--_count];
        _heap[_count] = null!;
        if (last != removed)
        {
            SiftDown(last, index);
            SiftUp(last, last.HeapIndex);
        }
    }

    private void SiftUp(PeerTimers timers, int index)
    {
        while (index > 0)
        {
            int parent = (index - 1) / 2;
            if (_heap[parent].ScheduledAt <= timers.ScheduledAt)
            {
                break;
            }

            Place(_heap[parent], index);
            index = parent;
        }

        Place(timers, index);
    }

    private void SiftDown(PeerTimers timers, int index)
    {
        while (true)
        {
            int child = (2 * index) + 1;
            if (child >= _count)
            {
                break;
            }

            if (child + 1 < _count && _heap[child + 1].ScheduledAt < _heap[child].ScheduledAt)
            {
                child++;
            }

            if (_heap[child].ScheduledAt >= timers.ScheduledAt)
            {
                break;
            }

            Place(_heap[child], index);
            index = child;
        }

        Place(timers, index);
    }

    private void Place(PeerTimers timers, int index)
    {
        _heap[index] = timers;
        timers.HeapIndex = index;
    }
}
