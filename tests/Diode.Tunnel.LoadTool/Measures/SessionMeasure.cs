using System.Collections.Concurrent;
using System.Diagnostics;

namespace Diode.Tunnel.LoadTool.Measures;

/// <summary>Connections that come and go: bare mutual handshakes, or sessions up to the accepted ticket.</summary>
internal static class SessionMeasure
{
    // The generator needs as much processor time per handshake as the relay: some are always on their way.
    private const int Workers = 8;
    private const int WarmUp = 100;

    public static IEnumerable<Measurement> Run(LoadOptions options, bool withTicket)
    {
        using var relay = new RelayUnderTest(options);
        Connect(relay, WarmUp, withTicket);
        Load load = Connect(relay, options.Sessions, withTicket);
        string name = withTicket ? "sessions/s up to the accepted ticket" : "mutual handshakes/s";
        yield return new Measurement(
            name + ", per second of the relay's processor time",
            withTicket ? "216" : "406",
            withTicket ? "≥ 250" : "",
            $"{Load.Text(load.RatePerCore)} (wall clock {Load.Text(load.Rate)} at {Load.Text(100 * load.Share)} % of a core)",
            withTicket ? load.RatePerCore >= 250 : null);
    }

    private static Load Connect(RelayUnderTest relay, int count, bool withTicket)
    {
        ConcurrentBag<LoadDevice> devices = [.. Enumerable.Range(0, count).Select(_ => new LoadDevice(relay.Uri))];
        double processor = relay.ProcessorSeconds;
        long start = Stopwatch.GetTimestamp();
        Thread[] threads = [.. Enumerable.Range(0, Workers).Select(_ => new Thread(Work))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        return new Load(count, Stopwatch.GetElapsedTime(start).TotalSeconds, relay.ProcessorSeconds - processor);

        void Work()
        {
            while (devices.TryTake(out LoadDevice? device))
            {
                using var connection = new LoadConnection(relay.Uri, device);
                if (withTicket)
                {
                    connection.LogIn();
                }
            }
        }
    }
}
