using System.Net;

namespace Diode.Tunnel.Engine.Relays;

/// <content>What a change of the machine's network means for sessions.</content>
internal sealed partial class RelayPool
{
    private static readonly TimeSpan HurryTimeout = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan HurryTime = TimeSpan.FromSeconds(8);
    private static readonly TimeSpan ConnectPatience = TimeSpan.FromSeconds(1);

    /// <summary>
    /// Addresses or routes have changed, or the machine has slept. A session from an address that is gone would hang until its pings
    /// time out: it is made anew at once. The others must answer soon. Who could not be reached is tried again now.
    /// </summary>
    /// <param name="addresses">The machine's addresses.</param>
    public void NetworkChanged(IReadOnlyCollection<IPAddress> addresses)
    {
        if (!_running)
        {
            return;
        }

        long now = time.GetTimestamp();
        foreach (Entry entry in _entries.ToArray())
        {
            entry.Backoff.Reset();
            entry.NextAttempt = 0;
            if (entry.Connection is not { } connection)
            {
                continue;
            }

            bool isGone = addresses.Count > 0
                && connection.LocalAddress is { } local
                && !IPAddress.IsLoopback(local)
                && !addresses.Contains(local.IsIPv4MappedToIPv6 ? local.MapToIPv4() : local);
            if (isGone || (!connection.IsReady && time.GetElapsedTime(entry.Started, now) > ConnectPatience))
            {
                entry.IsRetriedAtOnce = true;
                connection.Close("the network has changed");
                continue;
            }

            entry.HurryUntil = now + Ticks(HurryTime);
            connection.Ping();
        }

        Tick();
    }
}
