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

    /// <summary>Ours: all encodings together.</summary>
    public const long DefaultMaxBytes = 64 << 20;

    private const long DayMs = 86_400_000;
    private const long PruneIntervalMs = 3_600_000;
    private const int Shares = 8;

    private readonly Lock _gate = new();
    private readonly Address _self;
    private readonly int _capacity;
    private readonly BlockHashLookup? _blocks;
    private readonly Dictionary<Hash256, Slot> _slots = [];
    private readonly Dictionary<Address, Share> _shares = [];
    private readonly HashSet<Hash256> _changed = [];
    private readonly long _maxBytes;
    private readonly Queue<(Hash256 Key, long DueMs)> _waiting = [];
    private long _nextPruneMs;
    private long _bytes;
    private uint _dice = 1;

    /// <param name="self">This relay, whose own objects always find room.</param>
    /// <param name="capacity">Number of objects; each takes 8 KiB at most, two while one waits.</param>
    /// <param name="blocks">Finds block hashes; without it version 1 tickets are refused.</param>
    /// <param name="maxBytes">Bytes of all encodings.</param>
    public DhtStore(
        Address self, int capacity = 65_536, BlockHashLookup? blocks = null, long maxBytes = DefaultMaxBytes)
    {
        _self = self;
        _capacity = capacity;
        _blocks = blocks;
        _maxBytes = maxBytes;
    }

    /// <summary>Bytes of all encodings.</summary>
    public long Bytes
    {
        get
        {
            lock (_gate)
            {
                return _bytes;
            }
        }
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

    /// <summary>Some objects of a range that have not expired, by lot.</summary>
    public IReadOnlyList<DhtObject> Take(RingRange range, int count, long nowMs)
    {
        lock (_gate)
        {
            var taken = new List<DhtObject>();
            uint seen = 0;
            foreach (Slot slot in _slots.Values)
            {
                if (nowMs - slot.StoredMs >= ExpiryMs || !range.Contains(new RingKey(slot.Value.Key)))
                {
                    continue;
                }

                seen++;
                if (taken.Count < count)
                {
                    taken.Add(slot.Value);
                    continue;
                }

                // Every object has the same chance; the numbers need not be good, and the same every time suits tests.
                _dice = (_dice * 1_664_525) + 1_013_904_223;
                uint at = (uint)(((ulong)_dice * seen) >> 32);
                if (at < count)
                {
                    taken[(int)at] = slot.Value;
                }
            }

            return taken;
        }
    }

    /// <summary>Puts back what an earlier run had, if it is still worth it. Not a change.</summary>
    public void Restore(DhtObject value, Address source, long storedMs, long nowMs)
    {
        lock (_gate)
        {
            if (nowMs - storedMs < ForgetMs && !_slots.ContainsKey(value.Key)
                && Store(value, source, Math.Min(storedMs, nowMs)) == DhtStoreResult.Stored)
            {
                _changed.Remove(value.Key);
            }
        }
    }

    /// <summary>What changed since the last call: the object and when it came, or null where it was forgotten.</summary>
    public IReadOnlyList<(Hash256 Key, DhtObject? Value, Address Source, long StoredMs)> TakeChanges(int most)
    {
        lock (_gate)
        {
            if (_changed.Count == 0)
            {
                return [];
            }

            Hash256[] keys = [.. _changed.Take(most)];
            _changed.ExceptWith(keys);
            return
            [
                .. keys.Select(key => _slots.TryGetValue(key, out Slot? slot)
                    ? (key, slot.Value, slot.Source, slot.StoredMs)
                    : (key, (DhtObject?)null, default(Address), 0L)),
            ];
        }
    }

    /// <summary>Says that changes could not be kept, so that they are reported again.</summary>
    public void ReturnChanges(IEnumerable<Hash256> keys)
    {
        lock (_gate)
        {
            _changed.UnionWith(keys);
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
                    _ = Replace(slot, value, nowMs);
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

    private bool Replace(Slot slot, DhtObject value, long nowMs)
    {
        int growth = value.Encoded.Length - slot.Value.Encoded.Length;
        if (!value.IsNewerThan(slot.Value) || _bytes + growth > _maxBytes)
        {
            return false;
        }

        Charge(slot.Source, 0, growth);
        slot.Value = value;
        slot.StoredMs = nowMs;
        _changed.Add(value.Key);
        return true;
    }

    private DhtStoreResult Store(DhtObject value, Address source, long nowMs)
    {
        if (_slots.TryGetValue(value.Key, out Slot? slot))
        {
            return Replace(slot, value, nowMs) ? DhtStoreResult.Stored : DhtStoreResult.NotNewer;
        }

        // Others leave an eighth to this relay, and each of them gets an eighth at most.
        Share used = _shares.GetValueOrDefault(source);
        int size = value.Encoded.Length;
        bool isOwn = source == _self;
        if (_slots.Count >= (isOwn ? _capacity : _capacity - (_capacity / Shares))
            || _bytes + size > (isOwn ? _maxBytes : _maxBytes - (_maxBytes / Shares))
            || (!isOwn && (used.Slots >= Math.Max(1, _capacity / Shares) || used.Bytes + size > _maxBytes / Shares)))
        {
            return DhtStoreResult.Full;
        }

        _slots[value.Key] = new Slot(value, source) { StoredMs = nowMs };
        _changed.Add(value.Key);
        Charge(source, 1, size);
        return DhtStoreResult.Stored;
    }

    private void Charge(Address source, int slots, int bytes)
    {
        Share share = _shares.GetValueOrDefault(source);
        share = new Share(share.Slots + slots, share.Bytes + bytes);
        _bytes += bytes;
        if (share.Slots > 0)
        {
            _shares[source] = share;
        }
        else
        {
            _shares.Remove(source);
        }
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
        _changed.Add(slot.Value.Key);
        Charge(slot.Source, -1, -slot.Value.Encoded.Length);
    }

    private readonly record struct Share(int Slots, long Bytes);

    private sealed class Slot(DhtObject value, Address source)
    {
        public DhtObject Value { get; set; } = value;

        public Address Source { get; } = source;

        public long StoredMs { get; set; }

        public long WaitsUntilMs { get; set; }

        public DhtObject? Waiting { get; set; }
    }
}
