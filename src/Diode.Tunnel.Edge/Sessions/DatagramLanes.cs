namespace Diode.Tunnel.Edge.Sessions;

/// <summary>
/// The datagrams of a <see cref="FrameOutbox"/>: a lane for each sender. One alone is sent as it comes; several take turns by bytes
/// (deficit round robin), so that who floods a device neither delays nor crowds out what others send to it. Used under the lock of the
/// outbox.
/// </summary>
internal sealed class DatagramLanes
{
    // Bytes of one turn: two full datagrams, so that pieces stay large and turns short.
    private const int Quantum = 4096;

    // Senders beyond this many share one more lane, until it is empty: else a sender could overtake itself.
    private const int MaxLanes = 32;
    private const int MaxSpare = 4;
    private static readonly object Others = new();

    private readonly List<Turn> _turns = [];
    private readonly Stack<Turn> _spare = new();
    private int _next;

    // The lane that the last piece is from, and whole frames of several senders, taken out of their lanes.
    private Turn? _current;
    private FrameSegment? _gathered;

    /// <summary>Bytes waiting.</summary>
    public int Length { get; private set; }

    /// <summary>Whether the last piece was only partly sent or ended inside a frame, so that the rest must come next.</summary>
    public bool IsInFrame => _gathered is { Start: > 0 } || _current is { Lane.IsInFrame: true };

    /// <summary>Whether several senders take turns.</summary>
    public bool IsShared => _turns.Count > 1;

    /// <summary>Whether a sender may append: each has an equal share of <paramref name="limit"/> bytes.</summary>
    public bool HasRoom(object sender, int limit)
    {
        Turn? turn = Find(sender);
        return (turn?.Lane.Length ?? 0) < limit / Math.Max(1, _turns.Count + (turn is null ? 1 : 0));
    }

    /// <summary>Appends a frame.</summary>
    public void Append(object sender, ReadOnlySpan<byte> head, ReadOnlySpan<byte> body, bool mayDrop, long nowMs)
    {
        Turn? turn = Find(sender);
        if (turn is null)
        {
            turn = _spare.TryPop(out Turn? spare) ? spare : new Turn();
            turn.Begin(_turns.Count < MaxLanes ? sender : Others);
            _turns.Add(turn);
        }

        turn.Lane.Append(head, body, mayDrop, nowMs);
        Length += head.Length + body.Length;
    }

    /// <summary>The bytes whose turn it is, after dropping what is too old; false when nothing is left.</summary>
    /// <inheritdoc cref="DatagramLane.TryPeek"/>
    public bool TryPeek(long sinceMs, out ReadOnlyMemory<byte> chunk, out int dropped, out int droppedBytes)
    {
        dropped = 0;
        droppedBytes = 0;
        if (_gathered is { } gathered)
        {
            chunk = gathered.Array.AsMemory(gathered.Start, gathered.End - gathered.Start);
            return true;
        }

        bool found = _current is { Lane.IsInFrame: true } begun
            ? begun.Lane.TryPeek(sinceMs, out chunk, ref dropped, ref droppedBytes)
            : TryTurns(sinceMs, out chunk, ref dropped, ref droppedBytes);
        Length -= droppedBytes;
        return found;
    }

    /// <summary>The first bytes of the piece seen last are sent.</summary>
    public void Advance(int count)
    {
        Length -= count;
        if (_gathered is not { } gathered)
        {
            _current!.Lane.Advance(count);
            return;
        }

        gathered.Start += count;
        if (gathered.Start == gathered.End)
        {
            _gathered = null;
            FrameSegment.Return(gathered);
        }
    }

    /// <summary>Drops everything.</summary>
    public void Clear()
    {
        foreach (Turn turn in _turns)
        {
            turn.Lane.Clear();
        }

        _turns.Clear();
        _current = null;
        Length = 0;
        if (_gathered is not null)
        {
            FrameSegment.Return(_gathered);
            _gathered = null;
        }
    }

    private bool TryTurns(long sinceMs, out ReadOnlyMemory<byte> chunk, ref int dropped, ref int droppedBytes)
    {
        while (_turns.Count == 1)
        {
            _current = _turns[0];
            if (_current.Lane.TryPeek(sinceMs, out chunk, ref dropped, ref droppedBytes))
            {
                return true;
            }

            End(0);
        }

        chunk = default;
        return _turns.Count > 0 && TryGather(sinceMs, out chunk, ref dropped, ref droppedBytes);
    }

    private bool TryGather(long sinceMs, out ReadOnlyMemory<byte> chunk, ref int dropped, ref int droppedBytes)
    {
        FrameSegment gathered = FrameSegment.Rent();
        chunk = default;
        while (_turns.Count > 0)
        {
            _next = _next < _turns.Count ? _next : 0;
            Turn turn = _turns[_next];
            turn.Credit += turn.Credit > 0 ? 0 : Quantum;
            while (turn.Credit > 0 && turn.Lane.TryTake(sinceMs, gathered.Array.AsSpan(gathered.End), out int taken, ref dropped, ref droppedBytes))
            {
                gathered.End += taken;
                turn.Credit -= taken;
            }

            if (turn.Lane.Length == 0)
            {
                End(_next);
            }
            else if (turn.Credit <= 0)
            {
                _next++;
            }
            else if (gathered.End > 0)
            {
                // The next frame does not fit: it begins the next piece.
                break;
            }
            else
            {
                // Longer than any piece: straight from its lane.
                FrameSegment.Return(gathered);
                _current = turn;
                turn.Lane.TryPeek(sinceMs, out chunk, ref dropped, ref droppedBytes);
                int length = turn.Lane.FirstLength;
                chunk = chunk[..Math.Min(chunk.Length, length)];
                turn.Credit -= length;
                return true;
            }
        }

        if (gathered.End == 0)
        {
            FrameSegment.Return(gathered);
            return false;
        }

        _gathered = gathered;
        chunk = gathered.Array.AsMemory(0, gathered.End);
        return true;
    }

    private void End(int index)
    {
        Turn turn = _turns[index];
        _turns.RemoveAt(index);
        turn.Sender = null;
        if (_spare.Count < MaxSpare)
        {
            _spare.Push(turn);
        }
    }

    private Turn? Find(object sender)
    {
        Turn? others = null;
        foreach (Turn turn in _turns)
        {
            if (ReferenceEquals(turn.Sender, sender))
            {
                return turn;
            }

            others = ReferenceEquals(turn.Sender, Others) ? turn : others;
        }

        return others;
    }

    private sealed class Turn
    {
        public DatagramLane Lane { get; } = new();

        public object? Sender { get; set; }

        /// <summary>Bytes it may still take before it is the next one's turn; what a long frame took too much is made up for later.</summary>
        public int Credit { get; set; }

        public void Begin(object sender)
        {
            Sender = sender;
            Credit = 0;
        }
    }
}
