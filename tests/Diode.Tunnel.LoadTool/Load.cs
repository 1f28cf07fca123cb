using System.Diagnostics;
using System.Globalization;

namespace Diode.Tunnel.LoadTool;

/// <summary>What one measurement took: bytes or events, wall time, processor time of the relay.</summary>
internal readonly record struct Load(double Amount, double Seconds, double RelaySeconds)
{
    /// <summary>Per second of wall time.</summary>
    public double Rate => Amount / Seconds;

    /// <summary>Per second of the relay's processor time: what one whole core would do.</summary>
    public double RatePerCore => RelaySeconds > 0 ? Amount / RelaySeconds : double.NaN;

    /// <summary>Processor seconds of the relay per 10^9.</summary>
    public double SecondsPerBillion => RelaySeconds / Amount * 1e9;

    /// <summary>Share of a core the relay had.</summary>
    public double Share => RelaySeconds / Seconds;

    /// <summary>Measures what <paramref name="counter"/> and the relay's clock advance by in a while.</summary>
    public static Load Watch(RelayUnderTest relay, double seconds, Func<double> counter)
    {
        double amount = counter();
        double processor = relay.ProcessorSeconds;
        long start = Stopwatch.GetTimestamp();
        Thread.Sleep(TimeSpan.FromSeconds(seconds));
        double elapsed = Stopwatch.GetElapsedTime(start).TotalSeconds;
        return new Load(counter() - amount, elapsed, relay.ProcessorSeconds - processor);
    }

    public static string Text(double value, int digits = 0) =>
        value.ToString("N" + digits.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
}
