namespace Diode.Tunnel.Relay.Chains;

/// <summary>
/// Answers of a chain by request, the least recently used leave first. Bounded in bytes, keys and bookkeeping
/// included. Thread-safe.
/// </summary>
internal sealed class ChainCache(long maxBytes)
{
    // A node of the list, a slot of the table, two object headers.
    private const int EntryOverhead = 200;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, LinkedListNode<Entry>> _entries = new(StringComparer.Ordinal);
    private readonly LinkedList<Entry> _order = new();
    private long _bytes;

    /// <summary>Bytes held.</summary>
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

    /// <summary>The value of a key, unless it is too old.</summary>
    public bool TryGet(string key, long nowMs, out ReadOnlyMemory<byte> value)
    {
        lock (_gate)
        {
            value = default;
            if (!_entries.TryGetValue(key, out LinkedListNode<Entry>? node))
            {
                return false;
            }

            if (node.Value.ExpiresMs <= nowMs)
            {
                Remove(node);
                return false;
            }

            _order.Remove(node);
            _order.AddFirst(node);
            value = node.Value.Value;
            return true;
        }
    }

    /// <summary>Keeps a copy of a value; one that is a large part of the whole is not kept.</summary>
    /// <param name="key">What it answers.</param>
    /// <param name="value">The value.</param>
    /// <param name="expiresMs">Unix milliseconds; <see cref="long.MaxValue"/> for never.</param>
    public void Put(string key, ReadOnlySpan<byte> value, long expiresMs)
    {
        var entry = new Entry(key, value.ToArray(), expiresMs);
        if (entry.Cost > maxBytes / 8)
        {
            return;
        }

        lock (_gate)
        {
            if (_entries.TryGetValue(key, out LinkedListNode<Entry>? old))
            {
                Remove(old);
            }

            _entries[key] = _order.AddFirst(entry);
            _bytes += entry.Cost;
            while (_bytes > maxBytes)
            {
                Remove(_order.Last!);
            }
        }
    }

    private void Remove(LinkedListNode<Entry> node)
    {
        _order.Remove(node);
        _entries.Remove(node.Value.Key);
        _bytes -= node.Value.Cost;
    }

    private sealed record Entry(string Key, byte[] Value, long ExpiresMs)
    {
        public long Cost => (2 * Key.Length) + Value.Length + EntryOverhead;
    }
}
