using System.Diagnostics.CodeAnalysis;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Relay.Kademlia;

namespace Diode.Tunnel.Relay.RelayPeers;

/// <summary>
/// The relay's part of the DHT, in memory (reference §7.4, §7.5): one object per key, newest wins, the key must be the
/// object's own. Bounded; one source may fill an eighth of it at most, and all others together leave an eighth to this
/// relay. Time is unix milliseconds. Thread-safe.
/// </summary>
internal sealed class DhtStore
{
    /// <summary>After an object of a key was stored, further ones wait: only the newest of them is stored then.</summary>
    public const int WaitMs = 10_000;

    /// <summary>An object older than this is no longer given away, though it still keeps older ones out.</summary>
    public const long ExpiryMs = 2 * DayMs;

    /// <summary>An object older than this is forgotten.</summary>
    public const long ForgetMs = 4 * DayMs;

    private const long DayMs = 86_400_000;
    private const long PruneIntervalMs = 3_600_000;
    private const int Shares = 8;

    private readonly Lock _gate = new();
    private readonly Address _self;
    private readonly int _capacity;
    private readonly BlockHashLookup? _blocks;
    private readonly Dictionary<Hash256, Slot> _slots = [];
    private readonly Dictionary<Address, int> _slotsBySource = [];
    private readonly Queue<(Hash256 Key, long DueMs)> _waiting = [];
    private long _nextPruneMs;

    /// <param name="self">This relay, whose own objects always find room.</param>
    /// <param name="capacity">Number of objects; each takes 8 KiB at most, two while one waits.</param>
    /// <param name="blocks">Finds block hashes; without it version 1 tickets are refused.</param>
    public DhtStore(Address self, int capacity = 65_536, BlockHashLookup? blocks = null)
    {
        _self = self;
        _capacity = capacity;
        _blocks = blocks;
    }

    /// <summary>Number of objects, expired ones included.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _slots.Count;
            }
        }
    }

    /// <summary>Takes what a peer wants to be stored under a key, at once or when the waiting time is over.</summary>
    public DhtStoreResult Offer(in Hash256 key, ReadOnlySpan<byte> encoded, Address source, long nowMs)
    {
        if (!DhtObject.TryRead(encoded, _blocks, out DhtObject? value))
        {
            return DhtStoreResult.Invalid;
        }

        if (value.Key != key)
        {
            return DhtStoreResult.WrongKey;
        }

        lock (_gate)
        {
            if (!_slots.TryGetValue(key, out Slot? slot) || nowMs >= slot.WaitsUntilMs)
            {
                DhtStoreResult result = Store(value, source, nowMs);
                if (result == DhtStoreResult.Stored)
                {
                    BeginWait(_slots[key], nowMs);
                }

                return result;
            }

            if (!value.IsNewerThan(slot.Waiting ?? slot.Value))
            {
                return DhtStoreResult.NotNewer;
            }

            slot.Waiting = value;
            return DhtStoreResult.Delayed;
        }
    }

    /// <summary>Takes an object that was checked already, at once: own ones, those of hello, answers of peers.</summary>
    public DhtStoreResult Put(DhtObject value, Address source, long nowMs)
    {
        lock (_gate)
        {
            return Store(value, source, nowMs);
        }
    }

    /// <summary>Reads the form of peers; for answers of others that are to be compared and put.</summary>
    public bool TryRead(ReadOnlySpan<byte> encoded, [NotNullWhen(true)] out DhtObject? value)
    {
        return DhtObject.TryRead(encoded, _blocks, out value);
    }

    /// <summary>Finds the object of a key unless it expired.</summary>
    public bool TryGet(in Hash256 key, long nowMs, [NotNullWhen(true)] out DhtObject? value)
    {
        lock (_gate)
        {
            value = _slots.TryGetValue(key, out Slot? slot) && nowMs - slot.StoredMs < ExpiryMs ? slot.Value : null;
            return value is not null;
        }
    }

    /// <summary>Some objects of a range that have not expired.</summary>
    public IReadOnlyList<DhtObject> Take(RingRange range, int count, long nowMs)
    {
        lock (_gate)
        {
            return
            [
                .. _slots.Values
                    .Where(slot => nowMs - slot.StoredMs < ExpiryMs && range.Contains(new RingKey(slot.Value.Key)))
                    .Take(count)
                    .Select(slot => slot.Value),
            ];
        }
    }

    /// <summary>Stores what has waited long enough and, once an hour, forgets what is too old.</summary>
    public void Tick(long nowMs)
    {
        lock (_gate)
        {
            while (_waiting.TryPeek(out (Hash256 Key, long DueMs) next) && next.DueMs <= nowMs)
            {
                _waiting.Dequeue();
                if (_slots.TryGetValue(next.Key, out Slot? slot) && slot is { Waiting: DhtObject value })
                {
                    slot.Waiting = null;
                    Replace(slot, value, nowMs);
                    BeginWait(slot, nowMs);
                }
            }

            if (nowMs >= _nextPruneMs)
            {
                _nextPruneMs = nowMs + PruneIntervalMs;
                foreach (Slot slot in _slots.Values.Where(slot => nowMs - slot.StoredMs >= ForgetMs).ToArray())
                {
                    Remove(slot);
                }
            }
        }
    }

    private static void Replace(Slot slot, DhtObject value, long nowMs)
    {
        if (value.IsNewerThan(slot.Value))
        {
            slot.Value = value;
            slot.StoredMs = nowMs;
        }
    }

    private DhtStoreResult Store(DhtObject value, Address source, long nowMs)
    {
        if (_slots.TryGetValue(value.Key, out Slot? slot))
        {
            bool newer = value.IsNewerThan(slot.Value);
            Replace(slot, value, nowMs);
            return newer ? DhtStoreResult.Stored : DhtStoreResult.NotNewer;
        }

        int used = _slotsBySource.GetValueOrDefault(source);
        int limit = source == _self ? _capacity : _capacity - (_capacity / Shares);
        if (_slots.Count >= limit || (source != _self && used >= Math.Max(1, _capacity / Shares)))
        {
            return DhtStoreResult.Full;
        }

        _slots[value.Key] = new Slot(value, source) { StoredMs = nowMs };
        _slotsBySource[source] = used + 1;
        return DhtStoreResult.Stored;
    }

    // The queue is as long as the number of keys that were stored during the last waiting time.
    private void BeginWait(Slot slot, long nowMs)
    {
        slot.WaitsUntilMs = nowMs + WaitMs;
        _waiting.Enqueue((slot.Value.Key, slot.WaitsUntilMs));
    }

    private void Remove(Slot slot)
    {
        _slots.Remove(slot.Value.Key);
        int left = _slotsBySource.GetValueOrDefault(slot.Source) - 1;
        if (left > 0)
        {
            _slotsBySource[slot.Source] = left;
        }
        else
        {
            _slotsBySource.Remove(slot.Source);
        }
    }

    private sealed class Slot(DhtObject value, Address source)
    {
        public DhtObject Value { get; set; } = value;

        public Address Source { get; } = source;

        public long StoredMs { get; set; }

        public long WaitsUntilMs { get; set; }

        public DhtObject? Waiting { get; set; }
    }
}
