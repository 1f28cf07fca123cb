namespace Diode.Tunnel.Relay.Sessions;

/// <summary>Allows a burst and then a steady rate. Not thread-safe; starts full.</summary>
internal struct TokenBucket(int burst, int perSecond)
{
    private const long MsPerSecond = 1000;

    private long _missing;
    private long _lastMs;

    /// <summary>Takes one token; false when there is none. Time is in milliseconds.</summary>
    public bool TryTake(long nowMs)
    {
        // Counted in thousandths of a token, so that short intervals count too.
        _missing = Math.Max(0, _missing - (Math.Max(0, nowMs - _lastMs) * perSecond));
        _lastMs = nowMs;
        if (_missing + MsPerSecond > burst * MsPerSecond)
        {
            return false;
        }

        _missing += MsPerSecond;
        return true;
    }
}
