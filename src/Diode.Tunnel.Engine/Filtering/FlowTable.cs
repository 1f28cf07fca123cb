using System.Numerics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Diode.Tunnel.Engine.Filtering;

/// <summary>
/// A bounded table of flows: sets of eight, found by a seeded hash. When a set is full the expired goes first, then the peer's own
/// oldest if it has several there, then the oldest never answered, then the oldest: one peer can't push the others out.
/// </summary>
/// <remarks>Callers hold <see cref="LockOf"/> of the hash while they use what <see cref="Find"/> and <see cref="Add"/> return.</remarks>
internal sealed class FlowTable
{
    private const int Ways = 8;
    private const int Stripes = 32;

    private readonly Flow[] _flows;
    private readonly Lock[] _locks = new Lock[Stripes];
    private readonly ulong _seed;
    private readonly int _setMask;
    private readonly FlowTimeouts _timeouts;

    public FlowTable(int maxFlows, FlowTimeouts timeouts)
    {
        int size = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Clamp(maxFlows, Ways * Stripes, 1 << 22));
        _flows = new Flow[size];
        _setMask = (size / Ways) - 1;
        _timeouts = timeouts;
        RandomNumberGenerator.Fill(MemoryMarshal.AsBytes(new Span<ulong>(ref _seed)));
        for (int i = 0; i < Stripes; i++)
        {
            _locks[i] = new Lock();
        }
    }

    public int Capacity => _flows.Length;

    public ulong Hash(in FlowKey key)
    {
        return key.Hash(_seed);
    }

    /// <summary>The lock of the set a hash belongs to.</summary>
    public Lock LockOf(ulong hash)
    {
        return _locks[(int)hash & _setMask & (Stripes - 1)];
    }

    /// <summary>The live flow, or a null reference.</summary>
    public ref Flow Find(in FlowKey key, ulong hash, long now)
    {
        Span<Flow> set = Set(hash);
        for (int i = 0; i < set.Length; i++)
        {
            ref Flow flow = ref set[i];
            if (flow.IsUsed && flow.Key == key)
            {
                if (!IsExpired(flow, now))
                {
                    return ref flow;
                }

                flow = default;
                break;
            }
        }

        return ref System.Runtime.CompilerServices.Unsafe.NullRef<Flow>();
    }

    /// <summary>A fresh flow for a key that is not in the table.</summary>
    public ref Flow Add(in FlowKey key, ulong hash, long now)
    {
        Span<Flow> set = Set(hash);
        ref Flow flow = ref set[Victim(set, key.Peer, now)];
        flow = new Flow { Key = key, LastSeen = now, State = FlowState.Used };
        return ref flow;
    }

    /// <summary>Forgets every flow of a peer.</summary>
    public void RemovePeer(int peer)
    {
        for (int set = 0; set <= _setMask; set++)
        {
            lock (_locks[set & (Stripes - 1)])
            {
                foreach (ref Flow flow in _flows.AsSpan(set * Ways, Ways))
                {
                    if (flow.IsUsed && flow.Key.Peer == peer)
                    {
                        flow = default;
                    }
                }
            }
        }
    }

    /// <summary>Live flows; walks the whole table.</summary>
    public int Count(long now)
    {
        int count = 0;
        for (int set = 0; set <= _setMask; set++)
        {
            lock (_locks[set & (Stripes - 1)])
            {
                foreach (ref Flow flow in _flows.AsSpan(set * Ways, Ways))
                {
                    count += flow.IsUsed && !IsExpired(flow, now) ? 1 : 0;
                }
            }
        }

        return count;
    }

    private Span<Flow> Set(ulong hash)
    {
        return _flows.AsSpan(((int)hash & _setMask) * Ways, Ways);
    }

    private bool IsExpired(in Flow flow, long now)
    {
        return now - flow.LastSeen >= flow.Timeout(_timeouts);
    }

    private int Victim(ReadOnlySpan<Flow> set, int peer, long now)
    {
        int oldest = 0;
        int oldestOwn = -1;
        int oldestUnanswered = -1;
        int own = 0;
        for (int i = 0; i < set.Length; i++)
        {
            ref readonly Flow flow = ref set[i];
            if (!flow.IsUsed || IsExpired(flow, now))
            {
                return i;
            }

            if (flow.LastSeen < set[oldest].LastSeen)
            {
                oldest = i;
            }

            if (flow.Key.Peer == peer)
            {
                own++;
                oldestOwn = oldestOwn < 0 || flow.LastSeen < set[oldestOwn].LastSeen ? i : oldestOwn;
            }

            if (!flow.Has(FlowState.Answered)
                && (oldestUnanswered < 0 || flow.LastSeen < set[oldestUnanswered].LastSeen))
            {
                oldestUnanswered = i;
            }
        }

        return own >= 2 ? oldestOwn : oldestUnanswered >= 0 ? oldestUnanswered : oldest;
    }
}
