namespace Diode.Tunnel.Engine.PlainPeers;

/// <summary>
/// Bounds what all stream ports of this device keep for slow local readers. While little is kept, each port may keep much; above the
/// total, little. Thread-safe.
/// </summary>
internal sealed class InboxBudget
{
    /// <summary>Bytes one port may keep before its relay session waits for it.</summary>
    public const int PortLimit = 1024 * 1024;

    /// <summary>The same while the total is exceeded.</summary>
    public const int ScarceLimit = 64 * 1024;

    /// <summary>Bytes of all ports above which <see cref="ScarceLimit"/> holds.</summary>
    public const long TotalLimit = 64L * 1024 * 1024;

    private long _total;
    private long _cut;
    private long _waits;

    /// <summary>Bytes kept by all ports.</summary>
    public long Total => Interlocked.Read(ref _total);

    /// <summary>Ports closed because their reader was too slow.</summary>
    public long Cut => Interlocked.Read(ref _cut);

    /// <summary>Times that a relay session waited for a reader.</summary>
    public long Waits => Interlocked.Read(ref _waits);

    /// <summary>What one port may keep now.</summary>
    public int Limit => Total > TotalLimit ? ScarceLimit : PortLimit;

    internal void Add(long bytes)
    {
        Interlocked.Add(ref _total, bytes);
    }

    internal void CountCut()
    {
        Interlocked.Increment(ref _cut);
    }

    internal void CountWait()
    {
        Interlocked.Increment(ref _waits);
    }
}
