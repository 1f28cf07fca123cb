namespace Diode.Tunnel.Edge.Sessions;

/// <content>
/// Datagrams beside the rest. Both take turns, piece by piece, but never inside a frame; datagrams are dropped instead of making their
/// sender wait, and senders have equal shares.
/// </content>
public sealed partial class FrameOutbox
{
    /// <summary>Longest time that a frame which may be dropped waits, milliseconds.</summary>
    public const int MaxDatagramDelayMs = 40;

    private DatagramLanes? _lanes;

    // Whether the piece handed out last is of the lane, and whose turn it is.
    private bool _peekedLane;
    private bool _laneTurn;

    // The last piece of the other queue ended inside a frame.
    private bool _inFrame;

    /// <summary>
    /// Appends a data frame to the datagrams. When there is no room: with <paramref name="mayDrop"/> it is dropped, else
    /// <paramref name="waiter"/> is remembered.
    /// </summary>
    /// <param name="head">Beginning of the frame.</param>
    /// <param name="body">Rest of the frame.</param>
    /// <param name="mayDrop">Whether it holds whole datagrams, so that nothing else is hurt when it vanishes.</param>
    /// <param name="waiter">The sender; called when there is room again.</param>
    /// <param name="nowMs">The clock that <see cref="TryPeek(long, out ReadOnlyMemory{byte})"/> gets.</param>
    public FrameOutboxResult TryWriteDatagrams(
        ReadOnlySpan<byte> head, ReadOnlySpan<byte> body, bool mayDrop, IFrameOutboxWaiter waiter, long nowMs)
    {
        bool signal;
        lock (_gate)
        {
            if (_closed)
            {
                return FrameOutboxResult.Closed;
            }

            _lanes ??= new DatagramLanes();
            if (!_lanes.HasRoom(waiter, _limit / 2))
            {
                if (mayDrop)
                {
                    return FrameOutboxResult.Dropped;
                }

                AddWaiterLocked(waiter, nowMs);
                return FrameOutboxResult.Full;
            }

            _lanes.Append(waiter, head, body, mayDrop, nowMs);
            signal = !_signalled;
            _signalled = true;
        }

        if (signal)
        {
            _owner.OnOutputAvailable();
        }

        return FrameOutboxResult.Queued;
    }

    /// <summary>
    /// The oldest bytes, as one piece that stays valid until <see cref="Advance"/>; false when nothing is left. Datagrams that have waited
    /// longer than <see cref="MaxDatagramDelayMs"/> are dropped and the owner is told. Flusher only.
    /// </summary>
    /// <param name="nowMs">The writers' clock; 0 drops nothing.</param>
    /// <param name="chunk">The piece.</param>
    public bool TryPeek(long nowMs, out ReadOnlyMemory<byte> chunk)
    {
        bool found;
        int dropped = 0;
        int droppedBytes = 0;
        lock (_gate)
        {
            found = TryPeekLocked(nowMs, out chunk, ref dropped, ref droppedBytes);
            _signalled = found;
        }

        if (dropped > 0)
        {
            _owner.OnDatagramsExpired(dropped, droppedBytes);
        }

        return found;
    }

    private bool TryPeekLocked(long nowMs, out ReadOnlyMemory<byte> chunk, ref int dropped, ref int droppedBytes)
    {
        bool hasOthers = _head is FrameSegment head && head.Start < head.End;
        bool lanesTurn = _lanes is { Length: > 0 } && !_inFrame && (_laneTurn || !hasOthers || _lanes.IsInFrame);
        if (lanesTurn && _lanes!.TryPeek(nowMs - MaxDatagramDelayMs, out chunk, out dropped, out droppedBytes))
        {
            _peekedLane = true;
            return true;
        }

        _peekedLane = false;
        if (!hasOthers)
        {
            chunk = default;
            return false;
        }

        chunk = _lanes is { Length: > 0 } ? _head!.WholeFrames : _head!.Array.AsMemory(_head.Start, _head.End - _head.Start);
        return true;
    }
}
