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
    private static FrameSegment? s_free;
    private static int s_freeCount;

    private FrameSegment()
    {
        Array = GC.AllocateUninitializedArray<byte>(Size);
    }

    public byte[] Array { get; }

    public int Start { get; set; }

    public int End { get; set; }

    public FrameSegment? Next { get; set; }

    public static FrameSegment Rent()
    {
        lock (Gate)
        {
            FrameSegment? segment = s_free;
            if (segment is not null)
            {
                s_free = segment.Next;
                s_freeCount--;
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
        segment.Next = null;
        lock (Gate)
        {
            if (s_freeCount < MaxPooled)
            {
                segment.Next = s_free;
                s_free = segment;
                s_freeCount++;
            }
        }
    }
}
