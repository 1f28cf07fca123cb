using System.IO.Pipelines;

namespace Diode.Tunnel.Engine.PlainPeers;

/// <summary>
/// What a stream port has received and its reader has not taken yet. Filled by the receive thread of the relay session, which must not
/// be held up by one reader for long, as all ports and the tunnel share it: above <see cref="InboxBudget.Limit"/> the session waits
/// (that is the only backpressure Diode has), and a reader that does not make room in time loses its port.
/// </summary>
internal sealed class PortInbox : IDisposable
{
    /// <summary>Longest wait for a reader to take half of what is kept.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private const int SegmentBytes = 16 * 1024;

    private static readonly PipeOptions Options = new(
        readerScheduler: PipeScheduler.ThreadPool,
        writerScheduler: PipeScheduler.ThreadPool,
        pauseWriterThreshold: 0,
        resumeWriterThreshold: 1,
        minimumSegmentSize: SegmentBytes,
        useSynchronizationContext: false);

    private readonly Pipe _pipe = new(Options);
    private readonly Lock _gate = new();
    private readonly InboxBudget _budget;
    private ManualResetEventSlim? _room;
    private long _kept;
    private int _wanted;
    private bool _closed;
    private bool _disposed;
    private bool _failed;

    /// <summary>Prepares an empty inbox.</summary>
    public PortInbox(InboxBudget budget)
    {
        _budget = budget;
    }

    /// <summary>Bytes that wait for the reader.</summary>
    public long Kept => Interlocked.Read(ref _kept);

    /// <summary>The port is closed: nothing more will come.</summary>
    public bool IsClosed => Volatile.Read(ref _closed);

    /// <summary>The end is not a clean one, see <see cref="Fail"/>.</summary>
    public bool IsFailed => Volatile.Read(ref _failed);

    /// <summary>Called by <see cref="Fail"/>, from any thread; must not block.</summary>
    public Action? OnFailed { get; set; }

    /// <summary>The session has to wait for the reader now.</summary>
    public bool IsFull => Kept > _budget.Limit;

    /// <summary>Takes bytes in. Receive thread.</summary>
    public void Write(ReadOnlySpan<byte> data)
    {
        lock (_gate)
        {
            if (_closed || _disposed || data.IsEmpty)
            {
                return;
            }

            Interlocked.Add(ref _kept, data.Length);
            _budget.Add(data.Length);
            data.CopyTo(_pipe.Writer.GetSpan(data.Length));
            _pipe.Writer.Advance(data.Length);

            // Completes at once: the pipe itself has no limit.
            ValueTask<FlushResult> flushed = _pipe.Writer.FlushAsync();
            System.Diagnostics.Debug.Assert(flushed.IsCompleted, "the pipe must not hold up the session");
        }
    }

    /// <summary>
    /// The port ended before its time: the session is lost or the reader was too slow. What is kept is still there, but the end is not
    /// a clean one. Calls <see cref="OnFailed"/>.
    /// </summary>
    public void Fail()
    {
        Volatile.Write(ref _failed, true);
        Close();
        OnFailed?.Invoke();
    }

    /// <summary>Nothing more will come; what is kept is still read.</summary>
    public void Close()
    {
        lock (_gate)
        {
            if (!_closed)
            {
                _closed = true;
                _pipe.Writer.Complete();
            }
        }
    }

    /// <summary>
    /// Waits until the reader has taken half of the limit. Receive thread, outside the session's lock. False: the reader is too slow,
    /// the port is to be closed.
    /// </summary>
    public bool WaitForRoom(TimeSpan patience)
    {
        ManualResetEventSlim room;
        lock (_gate)
        {
            _wanted = _budget.Limit / 2;
            if (_disposed || Kept <= _wanted)
            {
                return true;
            }

            room = _room ??= new ManualResetEventSlim();
            room.Reset();
        }

        _budget.CountWait();
        if (room.Wait(patience))
        {
            return true;
        }

        _budget.CountCut();
        return false;
    }

    /// <summary>The next bytes, or the end. One reader.</summary>
    public ValueTask<ReadResult> ReadAsync(CancellationToken cancellation)
    {
        return _pipe.Reader.ReadAsync(cancellation);
    }

    /// <summary>The reader is done with what <see cref="ReadAsync"/> gave.</summary>
    public void Advance(in ReadResult read)
    {
        long length = read.Buffer.Length;
        _pipe.Reader.AdvanceTo(read.Buffer.End);
        long left = Interlocked.Add(ref _kept, -length);
        _budget.Add(-length);
        if (Volatile.Read(ref _room) is { } room && left <= Volatile.Read(ref _wanted))
        {
            room.Set();
        }
    }

    /// <summary>Frees what is kept. Call when nobody reads any more; the writer may still write.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
            if (!_closed)
            {
                _closed = true;
                _pipe.Writer.Complete();
            }

            _pipe.Reader.Complete();
            _budget.Add(-Interlocked.Exchange(ref _kept, 0));

            // Not disposed: the receive thread may be waiting on it.
            _room?.Set();
        }
    }
}
