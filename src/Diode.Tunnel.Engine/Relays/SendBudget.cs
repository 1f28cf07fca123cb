namespace Diode.Tunnel.Engine.Relays;

/// <summary>
/// Bounds the queue of a relay session in time instead of bytes: it measures how fast the socket drains and allows what leaves within
/// <see cref="MaxDelay"/>. A queue on TCP that may grow only adds delay (design §4 "Paths"). Used under the session's lock.
/// </summary>
internal sealed class SendBudget(TimeProvider time)
{
    /// <summary>Longest time that data may wait for the socket.</summary>
    public static readonly TimeSpan MaxDelay = TimeSpan.FromMilliseconds(40);

    /// <summary>Always allowed, so that a slow start is not mistaken for a slow link: about a 64 KiB burst.</summary>
    private const int MinimumBytes = 96 * 1024;

    private const int MaximumBytes = 2 * 1024 * 1024;
    private static readonly TimeSpan Window = TimeSpan.FromMilliseconds(100);

    private long _windowStart = time.GetTimestamp();
    private long _windowBytes;
    private double _bytesPerSecond;

    /// <summary>Bytes that may wait now.</summary>
    public int Limit => (int)Math.Clamp(_bytesPerSecond * MaxDelay.TotalSeconds, MinimumBytes, MaximumBytes);

    /// <summary>Counts bytes that were handed to the socket.</summary>
    public void Drained(int bytes)
    {
        _windowBytes += bytes;
        TimeSpan passed = time.GetElapsedTime(_windowStart);
        if (passed < Window)
        {
            return;
        }

        // The rate of a window in which little was offered says nothing about the link: keep the peak, let it fade.
        double rate = _windowBytes / passed.TotalSeconds;
        _bytesPerSecond = Math.Max(rate, _bytesPerSecond * 0.9);
        _windowBytes = 0;
        _windowStart = time.GetTimestamp();
    }
}
