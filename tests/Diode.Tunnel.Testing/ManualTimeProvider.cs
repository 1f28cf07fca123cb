namespace Diode.Tunnel.Testing;

/// <summary>A clock that moves only when told, for virtual-time tests. Not thread-safe.</summary>
public sealed class ManualTimeProvider(DateTimeOffset start) : TimeProvider
{
    private DateTimeOffset _now = start;

    /// <inheritdoc/>
    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    /// <inheritdoc/>
    public override DateTimeOffset GetUtcNow()
    {
        return _now;
    }

    /// <inheritdoc/>
    public override long GetTimestamp()
    {
        return _now.Ticks;
    }

    /// <summary>Moves the clock forward.</summary>
    public void Advance(TimeSpan by)
    {
        _now += by;
    }
}
