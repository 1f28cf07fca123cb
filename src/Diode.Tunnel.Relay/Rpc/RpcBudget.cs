namespace Diode.Tunnel.Relay.Rpc;

/// <summary>
/// Memory that long requests and answers of all connections share, in bytes: what one connection may hold times the
/// number of connections would be more than a machine has. Thread-safe.
/// </summary>
internal sealed class RpcBudget(long total)
{
    private long _taken;

    /// <summary>Bytes in use.</summary>
    public long Taken => Interlocked.Read(ref _taken);

    /// <summary>Takes bytes; false when they are not there.</summary>
    public bool TryTake(long bytes)
    {
        if (Interlocked.Add(ref _taken, bytes) <= total)
        {
            return true;
        }

        Interlocked.Add(ref _taken, -bytes);
        return false;
    }

    /// <summary>Gives bytes back.</summary>
    public void Return(long bytes) => Interlocked.Add(ref _taken, -bytes);
}
