namespace Diode.Tunnel.WireGuard.Cookies;

/// <summary>Decides when the interface is under load: too many handshake messages within a second. Thread-safe.</summary>
internal sealed class HandshakeLoad(int threshold)
{
    private readonly Lock _gate = new();
    private long _secondStartedAt = long.MinValue;
    private long _loadedUntil = long.MinValue;
    private int _count;

    /// <summary>Counts a message. True while under load, and for a second after.</summary>
    public bool Register(long now)
    {
        lock (_gate)
        {
            if (_secondStartedAt == long.MinValue || now - _secondStartedAt >= TimeSpan.TicksPerSecond)
            {
                _secondStartedAt = now;
                _count = 0;
            }

            if (++_count > threshold)
            {
                _loadedUntil = now + TimeSpan.TicksPerSecond;
            }

            return now < _loadedUntil;
        }
    }
}
