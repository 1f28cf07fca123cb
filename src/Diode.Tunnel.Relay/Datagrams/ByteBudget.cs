namespace Diode.Tunnel.Relay.Datagrams;

/// <summary>Allows a rate of bytes with a burst of a quarter of a second. Not thread-safe; starts full.</summary>
internal struct ByteBudget
{
    private const long BurstDivisor = 4;

    private long _spent;
    private long _last;

    /// <summary>Takes bytes; false when the rate is used up.</summary>
    /// <param name="bytes">Of one packet.</param>
    /// <param name="bytesPerSecond">The rate; 0 = no limit.</param>
    /// <param name="now">Monotonic ticks of 100 ns.</param>
    public bool TryTake(int bytes, long bytesPerSecond, long now)
    {
        if (bytesPerSecond == 0)
        {
            return true;
        }

        long elapsed = Math.Clamp(now - _last, 0, TimeSpan.TicksPerSecond);
        _last = now;

        // In ten-millionths of a byte, so that short intervals count too.
        _spent = Math.Max(0, _spent - (elapsed * bytesPerSecond));
        long cost = bytes * TimeSpan.TicksPerSecond;
        if (_spent + cost > bytesPerSecond / BurstDivisor * TimeSpan.TicksPerSecond)
        {
            return false;
        }

        _spent += cost;
        return true;
    }
}
