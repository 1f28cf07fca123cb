using Diode.Tunnel.Platform.Buffers;

namespace Diode.Tunnel.Platform.Tun.Offload;

/// <summary>
/// Software GRO: gathers consecutive packets of a flow and hands them on as one, every other packet as it is. Within a flow the order is
/// kept; a group is handed on as soon as nothing can follow, while its bytes are still in the cache. Holds nothing after
/// <see cref="Flush"/>. One thread; allocates nothing.
/// </summary>
internal sealed class PacketMerger
{
    // More flows than this in one batch are rare; the one that waits longest then goes first.
    private const int MaxFlows = 16;

    private readonly MergeGroup[] _groups = new MergeGroup[MaxFlows];
    private readonly IMergeSink _sink;
    private int _open;

    internal PacketMerger(IMergeSink sink)
    {
        _sink = sink;
        for (int i = 0; i < _groups.Length; i++)
        {
            _groups[i] = new MergeGroup();
        }
    }

    /// <summary>Takes a packet.</summary>
    /// <param name="buffer">Where it lies.</param>
    /// <param name="offset">Where it begins.</param>
    /// <param name="length">Its length.</param>
    /// <param name="tcp">Whether TCP is merged.</param>
    /// <param name="udp">Whether UDP is merged.</param>
    internal void Add(PacketBuffer buffer, int offset, int length, bool tcp, bool udp)
    {
        ReadOnlySpan<byte> packet = buffer.Array.AsSpan(offset, length);
        MergeCandidate candidate = MergeCandidate.Parse(packet);
        if (candidate.Fate == MergeFate.Barrier)
        {
            Flush();
            _sink.WriteSingle(packet);
            return;
        }

        bool isMerged = candidate.Kind == SegmentKind.Udp ? udp : tcp;
        if (candidate.Fate == MergeFate.Foreign || (!isMerged && _open == 0))
        {
            _sink.WriteSingle(packet);
            return;
        }

        int index = Find(in candidate);
        if (index >= 0)
        {
            if (candidate.Fate == MergeFate.Mergeable && isMerged && _groups[index].TryAppend(buffer, in candidate))
            {
                if (_groups[index].IsComplete)
                {
                    HandOn(index);
                }

                return;
            }

            HandOn(index);
        }

        if (candidate.Fate != MergeFate.Mergeable || !isMerged || candidate.EndsMerge)
        {
            _sink.WriteSingle(packet);
            return;
        }

        if (_open == MaxFlows)
        {
            HandOn(0);
        }

        _groups[_open++].Start(buffer, in candidate);
    }

    /// <summary>Hands on all that is held, oldest flow first.</summary>
    internal void Flush()
    {
        for (int i = 0; i < _open; i++)
        {
            Write(_groups[i]);
        }

        _open = 0;
    }

    private int Find(in MergeCandidate candidate)
    {
        for (int i = _open - 1; i >= 0; i--)
        {
            if (candidate.IsSameFlow(_groups[i].FirstPacket, _groups[i].Kind))
            {
                return i;
            }
        }

        return -1;
    }

    private void HandOn(int index)
    {
        MergeGroup group = _groups[index];
        Write(group);
        _open--;
        for (; index < _open; index++)
        {
            _groups[index] = _groups[index + 1];
        }

        _groups[_open] = group;
    }

    private void Write(MergeGroup group)
    {
        if (group.Count == 1)
        {
            _sink.WriteSingle(group.FirstPacket);
        }
        else
        {
            _sink.WriteMerged(group);
        }

        group.Clear();
    }
}
