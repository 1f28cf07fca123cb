namespace Diode.Tunnel.Relay.Kademlia;

/// <summary>How long to leave a relay alone that could not be reached.</summary>
public static class RetryDelay
{
    /// <summary>The longest delay in seconds: six hours.</summary>
    public const int MaxSeconds = 21_600;

    /// <summary>Seconds after a number of failures in a row: 0, 1, 1, 3, 5, 8, 13 … (observed; the 2 is missing).</summary>
    public static int GetSeconds(int failures)
    {
        if (failures <= 2)
        {
            return Math.Clamp(failures, 0, 1);
        }

        int previous = 1;
        int current = 2;
        for (int i = 2; i < failures && current < MaxSeconds; i++)
        {
            (previous, current) = (current, previous + current);
        }

        return Math.Min(current, MaxSeconds);
    }
}
