using Diode.Tunnel.Edge.Bert;
using Diode.Tunnel.Edge.Objects;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Relay.Kademlia;
using Diode.Tunnel.Relay.Sessions;

namespace Diode.Tunnel.Relay.RelayPeers;

/// <content>Reading from and writing to replicas.</content>
internal sealed partial class PeerNetwork
{
    private const int CacheMs = 20_000;
    private const int MaxCached = 2048;

    // Ours: lookups under way; more are answered from the own table.
    private const int MaxLookups = 1024;

    // Ours: objects that still lack copies.
    private const int MaxUnreplicated = 65_536;
    private const int RetriesPerSecond = 128;

    // Ours: descriptions of relays in answers that are looked at, each costs a signature check.
    private const int HintBurst = 64;
    private const int HintsPerSecond = 16;

    private readonly Dictionary<Hash256, List<Action<DhtObject?>>> _lookups = [];
    private readonly Dictionary<Hash256, (DhtObject Value, long UntilMs)> _cache = [];
    private readonly Queue<(Hash256 Key, long UntilMs)> _cacheOrder = [];
    private readonly HashSet<Hash256> _unreplicated = [];
    private TokenBucket _hints = new(HintBurst, HintsPerSecond);
    private long _nextRetryMs;

    /// <summary>Objects that have fewer copies than they should.</summary>
    public int UnreplicatedCount
    {
        get
        {
            lock (_gate)
            {
                return _unreplicated.Count;
            }
        }
    }

    /// <summary>
    /// Finds the newest object of a DHT key among the own one and those of the replicas that are on-line; those that have
    /// an older one or none get it. One answer is enough, the slowest is waited for 800 ms.
    /// </summary>
    /// <param name="key">DHT key.</param>
    /// <param name="nowMs">The time.</param>
    /// <param name="done">Called once with the object or null; perhaps before this returns.</param>
    public void Find(in Hash256 key, long nowMs, Action<DhtObject?> done)
    {
        _core.Counters.Lookup();
        _ = _core.Store.TryGet(key, nowMs, out DhtObject? own);
        DhtObject? known = own;
        bool starts = true;
        lock (_gate)
        {
            if (_cache.TryGetValue(key, out (DhtObject Value, long UntilMs) cached) && nowMs < cached.UntilMs)
            {
                known = own is not null && own.IsNewerThan(cached.Value) ? own : cached.Value;
                starts = false;
            }
            else if (_lookups.TryGetValue(key, out List<Action<DhtObject?>>? others))
            {
                others.Add(done);
                return;
            }
            else if (_lookups.Count >= MaxLookups)
            {
                starts = false;
            }
            else
            {
                _lookups[key] = [done];
            }
        }

        if (starts)
        {
            new ObjectLookup(this, key, own).Start(nowMs);
        }
        else
        {
            done(known);
        }
    }

    /// <summary>Gives an object to its replicas until a quorum has it; what fails is tried again when links come up.</summary>
    public void Write(DhtObject value, long nowMs)
    {
        _core.Counters.Write();
        lock (_gate)
        {
            _cache.Remove(value.Key);
        }

        new ObjectWrite(this, value).NextRound(nowMs);
    }

    // Reads what a peer gave for a key; anything else than a genuine object of that key is a lie.
    private DhtObject? ReadAnswer(in Hash256 key, PeerReply reply, Address source, long nowMs)
    {
        if (reply.TryGetValue(out ReadOnlyMemory<byte> encoded))
        {
            if (_core.Store.TryRead(encoded.Span, out DhtObject? value) && value.Key == key)
            {
                return value;
            }

            _core.Counters.Lie();
            return null;
        }

        foreach (BertTerm node in reply.Nodes)
        {
            bool allowed;
            lock (_gate)
            {
                allowed = _hints.TryTake(nowMs);
            }

            if (allowed && PeerTerms.TryReadNode(node, out ServerObject? server) && server.Address != _core.Self)
            {
                _ = _core.Store.Put(DhtObject.FromServer(server), source, nowMs);
            }
        }

        return null;
    }

    private void FinishLookup(in Hash256 key, DhtObject? value, Address? source, long nowMs)
    {
        List<Action<DhtObject?>>? waiting;
        lock (_gate)
        {
            _ = _lookups.Remove(key, out waiting);
            if (value is not null)
            {
                CacheLocked(key, value, nowMs);
            }
        }

        if (value is not null)
        {
            _core.Counters.LookupFound();
            if (source is Address from)
            {
                _ = _core.Store.Put(value, from, nowMs);
            }
        }

        waiting?.ForEach(done => done(value));
    }

    private void CacheLocked(in Hash256 key, DhtObject value, long nowMs)
    {
        while (_cacheOrder.TryPeek(out (Hash256 Key, long UntilMs) oldest)
            && (oldest.UntilMs <= nowMs || _cacheOrder.Count >= MaxCached))
        {
            _cacheOrder.Dequeue();
            if (_cache.TryGetValue(oldest.Key, out (DhtObject Value, long UntilMs) entry) && entry.UntilMs == oldest.UntilMs)
            {
                _cache.Remove(oldest.Key);
            }
        }

        _cache[key] = (value, nowMs + CacheMs);
        _cacheOrder.Enqueue((key, nowMs + CacheMs));
    }

    private void FinishWrite(DhtObject value, bool isWritten)
    {
        // A relay that stands alone has nobody to write to.
        isWritten |= _core.Ring.Count == 1;
        lock (_gate)
        {
            if (isWritten)
            {
                _unreplicated.Remove(value.Key);
            }
            else if (_unreplicated.Count < MaxUnreplicated)
            {
                _unreplicated.Add(value.Key);
            }
        }

        if (!isWritten)
        {
            _core.Counters.WriteFailed();
        }
    }

    // Real relays forget what they could not hand over until the next ticket; that is up to eight hours.
    private void RetryWrites(long nowMs)
    {
        if (nowMs < _nextRetryMs || !_core.GetLinks().Any(link => link.IsUsable && _core.IsMember(link.Peer)))
        {
            return;
        }

        _nextRetryMs = nowMs + 1000;
        Hash256[] keys;
        lock (_gate)
        {
            keys = [.. _unreplicated.Take(RetriesPerSecond)];
            _unreplicated.ExceptWith(keys);
        }

        foreach (Hash256 key in keys)
        {
            if (_core.Store.TryGet(key, nowMs, out DhtObject? value))
            {
                Write(value, nowMs);
            }
        }
    }

    private sealed class ObjectLookup(PeerNetwork network, Hash256 key, DhtObject? own)
    {
        private readonly Lock _gate = new();
        private readonly List<(PeerSession Link, DhtObject? Value)> _answers = [];

        // One for the start, so that it does not end before all were asked.
        private int _open = 1;

        public void Start(long nowMs)
        {
            foreach (Address relay in network._core.Ring.SelectReplicas(new RingKey(key)))
            {
                if (network._core.FindLink(relay) is PeerSession link)
                {
                    Interlocked.Increment(ref _open);
                    if (!link.TryFindValue(key, nowMs, reply => Take(link, reply)))
                    {
                        Interlocked.Decrement(ref _open);
                    }
                }
            }

            End(nowMs);
        }

        private void Take(PeerSession link, PeerReply? reply)
        {
            long nowMs = network._clock();
            if (reply is PeerReply answer)
            {
                DhtObject? value = network.ReadAnswer(key, answer, link.Peer, nowMs);
                lock (_gate)
                {
                    _answers.Add((link, value));
                }
            }

            End(nowMs);
        }

        private void End(long nowMs)
        {
            if (Interlocked.Decrement(ref _open) > 0)
            {
                return;
            }

            // In the order of the addresses: who was faster must not matter.
            _answers.Sort((left, right) => left.Link.Peer.CompareTo(right.Link.Peer));
            DhtObject? newest = DhtObject.ChooseNewest(
                _answers.Select(answer => answer.Value).Append(own).OfType<DhtObject>());
            Address? source = null;
            if (newest is not null)
            {
                foreach ((PeerSession link, DhtObject? value) in _answers)
                {
                    if (value is null || newest.IsNewerThan(value))
                    {
                        network._core.Counters.Repair();
                        _ = link.TryStore(key, newest.Encoded.Span, nowMs, _ => { });
                    }
                    else if (ReferenceEquals(value, newest))
                    {
                        source = link.Peer;
                    }
                }
            }

            network.FinishLookup(key, newest, source, nowMs);
        }
    }

    private sealed class ObjectWrite(PeerNetwork network, DhtObject value)
    {
        private readonly HashSet<Address> _tried = [];
        private int _acknowledged;
        private int _open;

        public void NextRound(long nowMs)
        {
            Address[] chosen =
            [
                .. network._core.Ring.NearestOnline(new RingKey(value.Key))
                    .Where(relay => !_tried.Contains(relay))
                    .Take(ReplicaRules.Replicas)
                    .Where(relay => relay != network._core.Self),
            ];
            _tried.UnionWith(chosen);
            _tried.Add(network._core.Self);
            if (chosen.Length == 0)
            {
                network.FinishWrite(value, ReplicaRules.IsWritten(_acknowledged));
                return;
            }

            _open = 1;
            foreach (Address relay in chosen)
            {
                if (network._core.FindLink(relay) is PeerSession link)
                {
                    Interlocked.Increment(ref _open);
                    if (!link.TryStore(value.Key, value.Encoded.Span, nowMs, Take))
                    {
                        Interlocked.Decrement(ref _open);
                    }
                }
            }

            End(nowMs);
        }

        private void Take(PeerReply? reply)
        {
            if (reply is { IsAcknowledgement: true })
            {
                Interlocked.Increment(ref _acknowledged);
            }

            End(network._clock());
        }

        private void End(long nowMs)
        {
            if (Interlocked.Decrement(ref _open) > 0)
            {
                return;
            }

            if (ReplicaRules.IsWritten(_acknowledged))
            {
                network.FinishWrite(value, true);
            }
            else
            {
                NextRound(nowMs);
            }
        }
    }
}
