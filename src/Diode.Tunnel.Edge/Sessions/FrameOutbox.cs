namespace Diode.Tunnel.Edge.Sessions;

/// <summary>
/// The frames that wait to be sent to one peer, as bytes in bounded memory. Many threads write, one (the flusher)
/// reads. Data frames are refused above the limit and their sender is woken when a quarter of it is free again;
/// control frames (replies, port events) may use a reserve beyond it. An empty queue owns no memory.
/// </summary>
/// <remarks>
/// A chunk handed out by <see cref="TryPeek(long, out ReadOnlyMemory{byte})"/> never ends between the two length bytes of a frame, because real peers
/// drop a connection whose TLS record does (diode-observed, "Frame header").
/// </remarks>
public sealed partial class FrameOutbox
{
    private readonly Lock _gate = new();
    private readonly IFrameOutboxOwner _owner;
    private readonly int _limit;
    private readonly int _reserve;
    private FrameSegment? _head;
    private FrameSegment? _tail;
    private List<IFrameOutboxWaiter>? _waiters;
    private List<IFrameOutboxWaiter>? _spareWaiters;
    private long _blockedSince;
    private int _queued;
    private bool _signalled;
    private bool _closed;

    /// <summary>Creates an empty queue.</summary>
    /// <param name="owner">Who empties it.</param>
    /// <param name="limit">Bytes above which data frames are refused; one frame may go beyond it.</param>
    /// <param name="reserve">Further bytes that only control frames may use.</param>
    public FrameOutbox(IFrameOutboxOwner owner, int limit, int reserve)
    {
        ArgumentNullException.ThrowIfNull(owner);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(limit);
        ArgumentOutOfRangeException.ThrowIfNegative(reserve);
        _owner = owner;
        _limit = limit;
        _reserve = reserve;
    }

    /// <summary>Bytes waiting, datagrams not counted.</summary>
    public int Length => Volatile.Read(ref _queued);

    /// <summary>
    /// Since when (milliseconds, the writers' clock) a sender has been waiting for room; 0 when nobody waits.
    /// </summary>
    public long BlockedSince => Volatile.Read(ref _blockedSince);

    /// <summary>Whether a data frame would be taken now.</summary>
    public bool HasRoom => Volatile.Read(ref _queued) < _limit;

    /// <summary>Whether what is written now goes nowhere.</summary>
    public bool IsClosed
    {
        get
        {
            lock (_gate)
            {
                return _closed;
            }
        }
    }

    /// <summary>Appends a control frame made of <paramref name="head"/> and <paramref name="body"/>.</summary>
    public FrameOutboxResult WriteControl(ReadOnlySpan<byte> head, ReadOnlySpan<byte> body)
    {
        bool signal = false;
        bool overflow = false;
        lock (_gate)
        {
            if (_closed)
            {
                return FrameOutboxResult.Closed;
            }

            if (_queued + head.Length + body.Length > _limit + _reserve)
            {
                _closed = true;
                overflow = true;
            }
            else
            {
                signal = AppendLocked(head, body);
            }
        }

        if (signal)
        {
            _owner.OnOutputAvailable();
        }
        else if (overflow)
        {
            _owner.OnOutputOverflow();
            return FrameOutboxResult.Closed;
        }

        return FrameOutboxResult.Queued;
    }

    /// <summary>
    /// Appends a data frame, or remembers <paramref name="waiter"/> when there is no room.
    /// </summary>
    public FrameOutboxResult TryWriteData(
        ReadOnlySpan<byte> head, ReadOnlySpan<byte> body, IFrameOutboxWaiter waiter, long nowMs)
    {
        bool signal;
        lock (_gate)
        {
            if (_closed)
            {
                return FrameOutboxResult.Closed;
            }

            if (_queued >= _limit)
            {
                AddWaiterLocked(waiter, nowMs);
                return FrameOutboxResult.Full;
            }

            signal = AppendLocked(head, body);
        }

        if (signal)
        {
            _owner.OnOutputAvailable();
        }

        return FrameOutboxResult.Queued;
    }

    /// <summary>Whether a data frame would be taken; if not, <paramref name="waiter"/> is remembered.</summary>
    public FrameOutboxResult CheckRoom(IFrameOutboxWaiter waiter, long nowMs)
    {
        lock (_gate)
        {
            if (_closed)
            {
                return FrameOutboxResult.Closed;
            }

            if (_queued < _limit)
            {
                return FrameOutboxResult.Queued;
            }

            AddWaiterLocked(waiter, nowMs);
            return FrameOutboxResult.Full;
        }
    }

    /// <summary>The same as <see cref="TryPeek(long, out ReadOnlyMemory{byte})"/> without looking at the age of datagrams.</summary>
    public bool TryPeek(out ReadOnlyMemory<byte> chunk)
    {
        return TryPeek(0, out chunk);
    }

    /// <summary>Drops the first <paramref name="count"/> bytes of the piece seen last. Flusher only.</summary>
    public void Advance(int count)
    {
        List<IFrameOutboxWaiter>? wake = null;
        lock (_gate)
        {
            if (_peekedLane)
            {
                _lanes!.Advance(count);
                _laneTurn = false;
            }
            else if (_head is FrameSegment head)
            {
                AdvanceLocked(head, count);
            }

            if (_waiters is { Count: > 0 } && _queued <= _limit - (_limit / 4) && (_lanes is null || _lanes.IsShared || _lanes.Length < _limit / 4))
            {
                wake = TakeWaitersLocked();
            }
        }

        Wake(wake);
    }

    /// <summary>Drops everything, refuses what follows and wakes those who wait. Idempotent.</summary>
    public void Close()
    {
        List<IFrameOutboxWaiter>? wake;
        lock (_gate)
        {
            // The memory stays until Release: the flusher may be reading a chunk.
            _closed = true;
            wake = TakeWaitersLocked();
        }

        Wake(wake);
    }

    /// <summary>Gives the memory back. Only when the flusher has stopped for good.</summary>
    public void Release()
    {
        Close();
        lock (_gate)
        {
            while (_head is not null)
            {
                FrameSegment next = _head;
                _head = next.Next;
                FrameSegment.Return(next);
            }

            _tail = null;
            _queued = 0;
            _lanes?.Clear();
        }
    }

    private void AdvanceLocked(FrameSegment head, int count)
    {
        head.Start += count;
        _queued -= count;
        _laneTurn = true;
        _inFrame = !head.IsContinued || head.Start != head.LastFrame;
        if (head.Start == head.End)
        {
            _inFrame = head.IsContinued;
            _head = head.Next;
            _tail = _head is null ? null : _tail;
            FrameSegment.Return(head);
        }
    }

    private static void Wake(List<IFrameOutboxWaiter>? waiters)
    {
        if (waiters is null)
        {
            return;
        }

        foreach (IFrameOutboxWaiter waiter in waiters)
        {
            waiter.OnOutboxRoom();
        }

        waiters.Clear();
    }

    private void AddWaiterLocked(IFrameOutboxWaiter waiter, long nowMs)
    {
        _waiters ??= [];
        if (!_waiters.Contains(waiter))
        {
            _waiters.Add(waiter);
        }

        if (_blockedSince == 0)
        {
            _blockedSince = Math.Max(nowMs, 1);
        }
    }

    private List<IFrameOutboxWaiter>? TakeWaitersLocked()
    {
        _blockedSince = 0;
        List<IFrameOutboxWaiter>? taken = _waiters;
        if (taken is { Count: > 0 })
        {
            // The spare list was emptied by the last wake, unless that one is still running on another thread.
            _waiters = _spareWaiters is { Count: 0 } ? _spareWaiters : null;
            _spareWaiters = taken;
            return taken;
        }

        return null;
    }

    private bool AppendLocked(ReadOnlySpan<byte> head, ReadOnlySpan<byte> body)
    {
        _queued += head.Length + body.Length;
        FrameSegment tail = _tail ?? AddSegmentLocked();
        if (FrameSegment.Size - tail.End < 2)
        {
            tail = AddSegmentLocked();
        }

        tail.LastFrame = tail.End;
        tail = CopyLocked(tail, head);
        CopyLocked(tail, body);
        bool signal = !_signalled;
        _signalled = true;
        return signal;
    }

    private FrameSegment CopyLocked(FrameSegment tail, ReadOnlySpan<byte> data)
    {
        while (true)
        {
            int count = Math.Min(FrameSegment.Size - tail.End, data.Length);
            data[..count].CopyTo(tail.Array.AsSpan(tail.End));
            tail.End += count;
            data = data[count..];
            if (data.IsEmpty)
            {
                return tail;
            }

            tail.IsContinued = true;
            tail = AddSegmentLocked();
        }
    }

    private FrameSegment AddSegmentLocked()
    {
        FrameSegment added = FrameSegment.Rent();
        if (_tail is null)
        {
            _head = added;
        }
        else
        {
            _tail.Next = added;
        }

        _tail = added;
        return added;
    }
}
