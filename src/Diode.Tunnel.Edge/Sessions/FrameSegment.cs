namespace Diode.Tunnel.Edge.Sessions;

/// <summary>
/// One piece of a <see cref="FrameOutbox"/>. Its size is that of the largest TLS record, so one piece is encrypted
/// in one go. Free segments are kept in one bounded pool for the process.
/// </summary>
internal sealed class FrameSegment
{
    public const int Size = 16 * 1024;
    private const int MaxPooled = 512;

    private static readonly Lock Gate = new();
    private static FrameSegment? _free;
    private static int _freeCount;

    private FrameSegment()
    {
        Array = GC.AllocateUninitializedArray<byte>(Size);
    }

    public byte[] Array { get; }

    public int Start { get; set; }

    public int End { get; set; }

    /// <summary>Where its last frame begins.</summary>
    public int LastFrame { get; set; }

    /// <summary>Whether its last frame goes on in the next one.</summary>
    public bool IsContinued { get; set; }

    /// <summary>Its bytes, as far as frames end in it; all of them if none does.</summary>
    public ReadOnlyMemory<byte> WholeFrames => Array.AsMemory(Start, (IsContinued && LastFrame > Start ? LastFrame : End) - Start);

    public FrameSegment? Next { get; set; }

    public static FrameSegment Rent()
    {
        lock (Gate)
        {
            FrameSegment? segment = _free;
            if (segment is not null)
            {
                _free = segment.Next;
                _freeCount--;
                segment.Next = null;
                return segment;
            }
        }

        return new FrameSegment();
    }

    public static void Return(FrameSegment segment)
    {
        segment.Start = 0;
        segment.End = 0;
        segment.LastFrame = 0;
        segment.IsContinued = false;
        segment.Next = null;
        lock (Gate)
        {
            if (_freeCount < MaxPooled)
            {
                segment.Next = _free;
                _free = segment;
                _freeCount++;
            }
        }
    }
}
