namespace Diode.Tunnel.WireGuard;

/// <summary>Drops by reason. Thread-safe.</summary>
public sealed class DropCounters
{
    private readonly long[] _counts = new long[Enum.GetValues<DropReason>().Length];

    internal DropCounters()
    {
    }

    /// <summary>Drops for one reason since the interface was made.</summary>
    public long this[DropReason reason] => Volatile.Read(ref _counts[(int)reason]);

    internal DropReason Count(DropReason reason, long by = 1)
    {
        Interlocked.Add(ref _counts[(int)reason], by);
        return reason;
    }
}
