namespace Diode.Tunnel.Relay;

/// <summary>
/// Unix milliseconds that do not jump when the wall clock is set a little: deadlines count on them. A difference of
/// more than a minute is taken over by <see cref="Follow"/>. Thread-safe.
/// </summary>
internal sealed class RelayClock(TimeProvider time)
{
    private const long MaxDriftMs = 60_000;

    private readonly long _startTimestamp = time.GetTimestamp();
    private long _startMs = time.GetUtcNow().ToUnixTimeMilliseconds();

    public long NowMs => Volatile.Read(ref _startMs) + (long)time.GetElapsedTime(_startTimestamp).TotalMilliseconds;

    /// <summary>Adopts the wall clock if it went elsewhere. One thread.</summary>
    public void Follow()
    {
        long drift = time.GetUtcNow().ToUnixTimeMilliseconds() - NowMs;
        if (Math.Abs(drift) > MaxDriftMs)
        {
            Volatile.Write(ref _startMs, _startMs + drift);
        }
    }
}
