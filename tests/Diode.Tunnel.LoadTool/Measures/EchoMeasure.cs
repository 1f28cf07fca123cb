using System.Diagnostics;
using Diode.Tunnel.Edge.Framing;
using Diode.Tunnel.Edge.Messages;

namespace Diode.Tunnel.LoadTool.Measures;

/// <summary>64 bytes through a port and back, twice through the relay.</summary>
internal sealed class EchoMeasure : IDisposable
{
    private const int Size = 64;
    private const int WarmUp = 3000;
    private const int Rounds = 10_000;

    private readonly LoadConnection _near;
    private readonly LoadConnection _far;
    private readonly byte[] _frame;

    public EchoMeasure(RelayUnderTest relay)
    {
        _near = new LoadConnection(relay.Uri, new LoadDevice(relay.Uri));
        _far = new LoadConnection(relay.Uri, new LoadDevice(relay.Uri));
        _near.LogIn();
        _far.LogIn();
        PortRef port = _near.OpenPort(_far);
        using var output = new OutputBuffer();
        new EdgeMessageWriter(output).WritePortSend(1, port, new byte[Size]);
        _frame = output.WrittenMemory.ToArray();
    }

    public static IEnumerable<Measurement> Run(LoadOptions options)
    {
        using var relay = new RelayUnderTest(options);
        using var echo = new EchoMeasure(relay);
        echo.Measure(WarmUp);
        double processor = relay.ProcessorSeconds;
        double[] times = echo.Measure(Rounds);
        processor = relay.ProcessorSeconds - processor;
        yield return new Measurement(
            "echo of 64 B through a port, µs, half of them below", "293", "≤ 150",
            $"{Load.Text(Percentile(times, 50))} (relay's processor time {Load.Text(processor / Rounds * 1e6)})", Percentile(times, 50) <= 150);
        yield return new Measurement(
            "the same, 99 % below", "2,100", "", Load.Text(Percentile(times, 99)), null);
    }

    /// <summary>Microseconds of each round, sorted.</summary>
    public double[] Measure(int rounds, Func<bool>? goOn = null)
    {
        List<double> times = new(rounds);
        while (times.Count < rounds && (goOn is null || goOn()))
        {
            long start = Stopwatch.GetTimestamp();
            _near.Send(_frame);
            _far.ReadPortData(Size);
            _far.Send(_frame);
            _near.ReadPortData(Size);
            times.Add(Stopwatch.GetElapsedTime(start).TotalMicroseconds);
        }

        times.Sort();
        return [.. times];
    }

    public static double Percentile(double[] sorted, double percent) =>
        sorted.Length == 0 ? double.NaN : sorted[Math.Min(sorted.Length - 1, (int)(sorted.Length * percent / 100))];

    public void Dispose()
    {
        _near.Dispose();
        _far.Dispose();
    }
}
