using Diode.Tunnel.Relay.Sessions;

namespace Diode.Tunnel.Relay.Rpc;

/// <summary>What the connections of one address share. Thread-safe.</summary>
internal sealed class RpcAddress(TimeProvider time)
{
    private readonly Lock _gate = new();
    private TokenBucket _requests = new(RpcLimits.RequestBurst, RpcLimits.RequestsPerSecond);

    /// <summary>Connections; under the lock of the table.</summary>
    public int Connections { get; set; }

    /// <summary>When a connection ended last, unix milliseconds.</summary>
    public long LeftMs { get; set; }

    /// <summary>Takes what a request costs; false when the address asks too much.</summary>
    public bool TryTake(int weight)
    {
        lock (_gate)
        {
            long now = time.GetUtcNow().ToUnixTimeMilliseconds();
            for (int i = 0; i < weight; i++)
            {
                if (!_requests.TryTake(now))
                {
                    return false;
                }
            }

            return true;
        }
    }
}
