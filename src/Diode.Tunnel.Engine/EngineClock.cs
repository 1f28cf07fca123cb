namespace Diode.Tunnel.Engine;

/// <summary>The monotonic clock of the packet path in ticks of 100 ns, as the WireGuard core counts them.</summary>
internal sealed class EngineClock(TimeProvider time)
{
    private readonly long _divisor = Math.Max(1, time.TimestampFrequency / TimeSpan.TicksPerSecond);
    private readonly long _factor = Math.Max(1, TimeSpan.TicksPerSecond / time.TimestampFrequency);

    /// <summary>Now, in 100 ns ticks since an arbitrary moment.</summary>
    public long Now => At(time.GetTimestamp());

    /// <summary>The moment of a clock timestamp.</summary>
    public long At(long timestamp) => timestamp / _divisor * _factor;
}
