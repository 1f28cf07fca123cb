using System.Security.Cryptography;

namespace Diode.Tunnel.Engine.Relays;

/// <summary>Delays between attempts: exponential, with jitter, so that devices do not come back in step. One instance an attempt series.</summary>
internal sealed class Backoff(TimeSpan first, TimeSpan most)
{
    private int _failures;

    /// <summary>Failures since the last success.</summary>
    public int Failures => _failures;

    /// <summary>The delay before the next attempt; counts a failure.</summary>
    public TimeSpan Next()
    {
        double seconds = Math.Min(most.TotalSeconds, first.TotalSeconds * Math.Pow(2, Math.Min(_failures, 16)));
        _failures++;
        return TimeSpan.FromSeconds(seconds * (0.75 + (RandomNumberGenerator.GetInt32(500) / 1000.0)));
    }

    /// <summary>Begins again after a success.</summary>
    public void Reset()
    {
        _failures = 0;
    }
}
