using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;

namespace Diode.Tunnel.Platform.Tls;

/// <summary>
/// TLS sessions that may be resumed, so that a second connection between the same two peers does without ECDSA and
/// ECDH. One cache serves both roles; pass it to <see cref="TlsEngineFactory"/>.
/// </summary>
/// <remarks>
/// Thread-safe and bounded: each role has <c>capacity</c> places, the least recently used entry goes first, and nothing
/// is older than five minutes (reference §1.7). A resumed connection proves the identity that the first one proved: the
/// certificate is stored with the keys and goes through the validator again. What is removed is zeroed.
/// </remarks>
public sealed class TlsSessionCache : IDisposable
{
    /// <summary>Places per role unless told otherwise; an entry has about one kilobyte.</summary>
    public const int DefaultCapacity = 1024;

    /// <summary>How long after its full handshake a session is resumed.</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(5);

    // A session is two certificates' worth at most; a peer's oversized ticket is not kept.
    private const int MaxStateBytes = 16 * 1024;

    private readonly Lock _lock = new();
    private readonly TimeProvider _time;
    private readonly ITimer _sweeper;
    private readonly int _capacity;
    private readonly LinkedList<Entry>[] _recent = [new(), new()];
    private readonly Dictionary<string, LinkedListNode<Entry>>[] _entries =
        [new(StringComparer.Ordinal), new(StringComparer.Ordinal)];

    private bool _sweeping;
    private bool _disposed;

    /// <summary>Creates an empty cache.</summary>
    /// <param name="capacity">Places for sessions we offer as client, and as many for those we accept as server.</param>
    /// <param name="time">The clock; the system's if null.</param>
    public TlsSessionCache(int capacity = DefaultCapacity, TimeProvider? time = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(capacity);
        _capacity = capacity;
        _time = time ?? TimeProvider.System;
        _sweeper = _time.CreateTimer(
            static cache => ((TlsSessionCache)cache!).Sweep(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Number of stored sessions of both roles.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _entries[0].Count + _entries[1].Count;
            }
        }
    }

    /// <summary>Connections that were resumed, both roles.</summary>
    public long Resumptions { get; private set; }

    /// <summary>Forgets and zeroes every session.</summary>
    public void Clear()
    {
        lock (_lock)
        {
            for (int role = 0; role < _entries.Length; role++)
            {
                while (_recent[role].First is { } node)
                {
                    Remove(role, node);
                }
            }
        }
    }

    /// <summary>Zeroes everything; engines that still have the cache go on without it.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            Clear();
        }

        _sweeper.Dispose();
    }

    /// <summary>Keeps a copy of a session's state; replaces what has the same key.</summary>
    internal void Store(TlsRole role, string key, ReadOnlySpan<byte> state)
    {
        if (state.IsEmpty || state.Length > MaxStateBytes)
        {
            return;
        }

        // Pinned, so that no compaction leaves a copy of the keys behind.
        byte[] copy = GC.AllocateUninitializedArray<byte>(state.Length, pinned: true);
        state.CopyTo(copy);
        lock (_lock)
        {
            int index = (int)role;
            if (_entries[index].TryGetValue(key, out LinkedListNode<Entry>? old))
            {
                Remove(index, old);
            }

            if (_disposed)
            {
                CryptographicOperations.ZeroMemory(copy);
                return;
            }

            if (_entries[index].Count >= _capacity)
            {
                Remove(index, _recent[index].Last!);
            }

            _entries[index][key] = _recent[index].AddFirst(new Entry(key, copy, _time.GetTimestamp()));
            if (!_sweeping)
            {
                _sweeping = _sweeper.Change(Lifetime, Timeout.InfiniteTimeSpan);
            }
        }
    }

    /// <summary>Gives a copy of a session's state, which the caller zeroes.</summary>
    internal bool TryGet(TlsRole role, string key, [NotNullWhen(true)] out byte[]? state)
    {
        state = null;
        lock (_lock)
        {
            int index = (int)role;
            if (!_entries[index].TryGetValue(key, out LinkedListNode<Entry>? node))
            {
                return false;
            }

            if (IsExpired(node.Value))
            {
                Remove(index, node);
                return false;
            }

            _recent[index].Remove(node);
            _recent[index].AddFirst(node);
            state = GC.AllocateUninitializedArray<byte>(node.Value.State.Length, pinned: true);
            node.Value.State.CopyTo(state, 0);
            return true;
        }
    }

    /// <summary>Forgets one session, for instance because its connection broke.</summary>
    internal void Remove(TlsRole role, string key)
    {
        lock (_lock)
        {
            if (_entries[(int)role].TryGetValue(key, out LinkedListNode<Entry>? node))
            {
                Remove((int)role, node);
            }
        }
    }

    internal void CountResumption()
    {
        lock (_lock)
        {
            Resumptions++;
        }
    }

    private bool IsExpired(Entry entry) => _time.GetElapsedTime(entry.Created) >= Lifetime;

    private void Remove(int role, LinkedListNode<Entry> node)
    {
        _recent[role].Remove(node);
        _entries[role].Remove(node.Value.Key);
        CryptographicOperations.ZeroMemory(node.Value.State);
    }

    /// <summary>Zeroes what has expired, so that no key outlives its time because nobody asked again.</summary>
    private void Sweep()
    {
        lock (_lock)
        {
            for (int role = 0; role < _entries.Length; role++)
            {
                for (LinkedListNode<Entry>? node = _recent[role].First; node is not null;)
                {
                    LinkedListNode<Entry>? next = node.Next;
                    if (IsExpired(node.Value))
                    {
                        Remove(role, node);
                    }

                    node = next;
                }
            }

            _sweeping = !_disposed && _entries[0].Count + _entries[1].Count > 0
                && _sweeper.Change(Lifetime / 5, Timeout.InfiniteTimeSpan);
        }
    }

    private sealed record Entry(string Key, byte[] State, long Created);
}
