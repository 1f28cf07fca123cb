using System.Runtime.InteropServices;

namespace Diode.Tunnel.WireGuard;

/// <summary>The five timers of a peer (WireGuard §6).</summary>
internal enum PeerTimer
{
    /// <summary>An initiation went unanswered.</summary>
    RetransmitHandshake,

    /// <summary>Data came and nothing was sent since.</summary>
    SendKeepalive,

    /// <summary>Data was sent and nothing came since: the session may be dead.</summary>
    NewHandshake,

    /// <summary>Keys unused for long are erased.</summary>
    ZeroKeys,

    /// <summary>Nothing at all happened for the configured interval.</summary>
    PersistentKeepalive,
}

/// <summary>
/// A peer's deadlines. The events of the packet path touch a field or two, without a lock and without the queue unless a
/// timer that was off is started. What a deadline means is decided by <see cref="PeerSession"/>.
/// </summary>
internal sealed class PeerTimers
{
    public const long Off = long.MaxValue;
    private const long NewHandshakeDelay = WireGuardConstants.KeepaliveTimeout + WireGuardConstants.RekeyTimeout;

    private readonly TimerQueue _queue;
    private readonly Action<Span<byte>> _random;
    private readonly long[] _deadlines = [Off, Off, Off, Off, Off];
    private long _scheduledAt = Off;
    private long _persistentInterval;
    private bool _needAnotherKeepalive;

    // Of the timer that data traffic starts many times a second: drawn anew only when it fired. -1: not drawn.
    private long _dataJitter = -1;

    public PeerTimers(PeerSession owner, TimerQueue queue, Action<Span<byte>> random)
    {
        Owner = owner;
        _queue = queue;
        _random = random;
    }

    public PeerSession Owner { get; }

    /// <summary>Place in the queue's heap, −1 if not there; the queue's, under its lock.</summary>
    public int HeapIndex { get; set; } = -1;

    /// <summary>When the queue will find this peer; written by the queue, under its lock.</summary>
    public long ScheduledAt
    {
        get => Volatile.Read(ref _scheduledAt);
        set => Volatile.Write(ref _scheduledAt, value);
    }

    /// <summary>Ticks between persistent keepalives, 0 for none.</summary>
    public long PersistentInterval => Volatile.Read(ref _persistentInterval);

    /// <summary>A data packet was sent.</summary>
    public void DataSent(long now)
    {
        if (IsOff(PeerTimer.NewHandshake))
        {
            long jitter = Volatile.Read(ref _dataJitter);
            if (jitter < 0)
            {
                jitter = Jitter();
                Volatile.Write(ref _dataJitter, jitter);
            }

            StartIfOff(PeerTimer.NewHandshake, now + NewHandshakeDelay + jitter);
        }
    }

    /// <summary>A data packet was received.</summary>
    public void DataReceived(long now)
    {
        if (IsOff(PeerTimer.SendKeepalive))
        {
            StartIfOff(PeerTimer.SendKeepalive, now + WireGuardConstants.KeepaliveTimeout);
        }
        else if (!_needAnotherKeepalive)
        {
            _needAnotherKeepalive = true;
        }
    }

    /// <summary>Something authenticated was sent, a keepalive or handshake message included.</summary>
    public void AuthenticatedSent(long now)
    {
        Stop(PeerTimer.SendKeepalive);
        PostponePersistent(now);
    }

    /// <summary>Something authenticated was received.</summary>
    public void AuthenticatedReceived(long now)
    {
        Stop(PeerTimer.NewHandshake);
        PostponePersistent(now);
    }

    /// <summary>Sets the interval and makes the first one due at once.</summary>
    public void SetPersistentInterval(long ticks)
    {
        Volatile.Write(ref _persistentInterval, ticks);
        if (ticks == 0)
        {
            Stop(PeerTimer.PersistentKeepalive);
        }
        else
        {
            Start(PeerTimer.PersistentKeepalive, 0);
        }
    }

    /// <summary>A keepalive was sent for data that came; true if more data came meanwhile.</summary>
    public bool TakeNeedAnotherKeepalive()
    {
        bool need = _needAnotherKeepalive;
        _needAnotherKeepalive = false;
        return need;
    }

    public bool IsOff(PeerTimer timer)
    {
        return Volatile.Read(ref _deadlines[(int)timer]) == Off;
    }

    public void Start(PeerTimer timer, long at)
    {
        Interlocked.Exchange(ref _deadlines[(int)timer], at);
        ScheduleIfSooner(at);
    }

    public void StartIfOff(PeerTimer timer, long at)
    {
        // The exchange is a full fence: either this thread sees that Tick has taken the peer out of the queue,
        // or Tick sees the new deadline.
        if (Interlocked.CompareExchange(ref _deadlines[(int)timer], at, Off) == Off)
        {
            ScheduleIfSooner(at);
        }
    }

    public void Stop(PeerTimer timer)
    {
        if (!IsOff(timer))
        {
            Volatile.Write(ref _deadlines[(int)timer], Off);
        }
    }

    public void StopAll()
    {
        for (PeerTimer timer = 0; timer <= PeerTimer.PersistentKeepalive; timer++)
        {
            Stop(timer);
        }

        _queue.Remove(this);
    }

    /// <summary>Stops a timer whose deadline has passed; false if there is none.</summary>
    public bool TryTake(PeerTimer timer, long now)
    {
        long deadline = Volatile.Read(ref _deadlines[(int)timer]);
        bool isTaken = deadline <= now
            && Interlocked.CompareExchange(ref _deadlines[(int)timer], Off, deadline) == deadline;
        if (isTaken && timer == PeerTimer.NewHandshake)
        {
            Volatile.Write(ref _dataJitter, -1);
        }

        return isTaken;
    }

    /// <summary>Puts the peer back into the queue after Tick took it out.</summary>
    public void Reschedule()
    {
        long next = Off;
        for (PeerTimer timer = 0; timer <= PeerTimer.PersistentKeepalive; timer++)
        {
            next = Math.Min(next, Volatile.Read(ref _deadlines[(int)timer]));
        }

        ScheduleIfSooner(next);
    }

    /// <summary>A random delay so that two ends that start together do not stay together.</summary>
    public long Jitter()
    {
        uint value = 0;
        _random(MemoryMarshal.AsBytes(new Span<uint>(ref value)));
        return value % WireGuardConstants.MaxTimerJitter;
    }

    private void PostponePersistent(long now)
    {
        long interval = PersistentInterval;
        if (interval != 0 && !IsOff(PeerTimer.PersistentKeepalive))
        {
            Volatile.Write(ref _deadlines[(int)PeerTimer.PersistentKeepalive], now + interval);
        }
    }

    private void ScheduleIfSooner(long at)
    {
        if (at < ScheduledAt)
        {
            _queue.Schedule(this, at);
        }
    }
}
