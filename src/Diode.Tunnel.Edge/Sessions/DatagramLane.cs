namespace Diode.Tunnel.Edge.Sessions;

/// <summary>
/// What one sender has in a <see cref="FrameOutbox"/> of frames that may be dropped: whole datagrams. Bounded in bytes and in time: a frame that
/// has waited too long is dropped when its turn comes, since on a stream it would make everything behind it late too. Used under the
/// lock of the outbox. An empty lane owns no segments.
/// </summary>
internal sealed class DatagramLane
{
    // A record beyond this many is given back when the lane is empty.
    private const int MaxKeptRecords = 256;

    private Queue<Frame> _frames = new();
    private FrameSegment? _head;
    private FrameSegment? _tail;

    // Bytes of the first frame that were handed out already.
    private int _begun;

    /// <summary>Bytes waiting.</summary>
    public int Length { get; private set; }

    /// <summary>Whether the last piece ended inside a frame, so that the rest must come next.</summary>
    public bool IsInFrame => _begun > 0;

    /// <summary>Length of the oldest frame in bytes; 0 if there is none.</summary>
    public int FirstLength => _frames.TryPeek(out Frame first) ? first.Length : 0;

    /// <summary>Appends a frame.</summary>
    public void Append(ReadOnlySpan<byte> head, ReadOnlySpan<byte> body, bool mayDrop, long nowMs)
    {
        int length = head.Length + body.Length;
        _frames.Enqueue(new Frame(length, mayDrop, nowMs));
        Length += length;
        if (_tail is null || FrameSegment.Size - _tail.End < 2)
        {
            // Never ends between the two bytes of a frame's length.
            AddSegment();
        }

        _tail!.LastFrame = _tail.End;
        Copy(head);
        Copy(body);
    }

    /// <summary>The oldest bytes after dropping what is too old; false when nothing is left.</summary>
    /// <param name="sinceMs">Frames queued before it are too old.</param>
    /// <param name="chunk">Whole frames and perhaps the beginning of one.</param>
    /// <param name="dropped">Frames dropped are added to it.</param>
    /// <param name="droppedBytes">Their bytes, too.</param>
    public bool TryPeek(long sinceMs, out ReadOnlyMemory<byte> chunk, ref int dropped, ref int droppedBytes)
    {
        DropOld(sinceMs, ref dropped, ref droppedBytes);
        if (_head is not FrameSegment head)
        {
            chunk = default;
            return false;
        }

        // What follows a frame that was begun may be too old.
        int rest = _begun > 0 ? _frames.Peek().Length - _begun : int.MaxValue;
        chunk = rest < head.End - head.Start ? head.Array.AsMemory(head.Start, rest) : head.WholeFrames;
        return true;
    }

    /// <summary>Moves the oldest frame to <paramref name="room"/>; false if there is none or it is longer. Not inside a frame.</summary>
    public bool TryTake(long sinceMs, Span<byte> room, out int taken, ref int dropped, ref int droppedBytes)
    {
        DropOld(sinceMs, ref dropped, ref droppedBytes);
        taken = FirstLength;
        if (taken == 0 || taken > room.Length)
        {
            return false;
        }

        _frames.Dequeue();
        for (int at = 0; at < taken;)
        {
            FrameSegment head = _head!;
            int step = Math.Min(taken - at, head.End - head.Start);
            head.Array.AsSpan(head.Start, step).CopyTo(room[at..]);
            Skip(step);
            at += step;
        }

        return true;
    }

    /// <summary>The first bytes of the piece seen last are sent.</summary>
    public void Advance(int count)
    {
        Skip(count);
        _begun += count;
        while (_frames.TryPeek(out Frame first) && first.Length <= _begun)
        {
            _begun -= first.Length;
            _frames.Dequeue();
        }
    }

    /// <summary>Drops everything.</summary>
    public void Clear()
    {
        Skip(Length);
        _frames.Clear();
        _begun = 0;
    }

    private void DropOld(long sinceMs, ref int dropped, ref int droppedBytes)
    {
        while (_begun == 0 && _frames.TryPeek(out Frame first) && first.MayDrop && first.QueuedMs < sinceMs)
        {
            _frames.Dequeue();
            Skip(first.Length);
            dropped++;
            droppedBytes += first.Length;
        }
    }

    private void Skip(int count)
    {
        Length -= count;
        while (count > 0)
        {
            FrameSegment head = _head!;
            int step = Math.Min(count, head.End - head.Start);
            head.Start += step;
            count -= step;
            if (head.Start == head.End)
            {
                _head = head.Next;
                _tail = _head is null ? null : _tail;
                FrameSegment.Return(head);
            }
        }

        if (Length == 0 && _frames.Capacity > MaxKeptRecords)
        {
            _frames = new Queue<Frame>(_frames);
        }
    }

    private void Copy(ReadOnlySpan<byte> data)
    {
        while (!data.IsEmpty)
        {
            FrameSegment tail = _tail!;
            if (tail.End == FrameSegment.Size)
            {
                tail.IsContinued = true;
                tail = AddSegment();
            }

            int count = Math.Min(FrameSegment.Size - tail.End, data.Length);
            data[..count].CopyTo(tail.Array.AsSpan(tail.End));
            tail.End += count;
            data = data[count..];
        }
    }

    private FrameSegment AddSegment()
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

        return _tail = added;
    }

    private readonly record struct Frame(int Length, bool MayDrop, long QueuedMs);
}
