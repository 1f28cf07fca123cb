using System.Collections.Concurrent;
using System.Net;

namespace Diode.Tunnel.LoadTool.Measures;

/// <summary>Memory of the relay with many devices that are logged in and silent.</summary>
internal static class IdleMeasure
{
    private const int Workers = 8;
    private const int PerAddress = 500;
    private const int SmallBuffer = 4096;

    public static IEnumerable<Measurement> Run(LoadOptions options)
    {
        using var relay = new RelayUnderTest(options);
        long empty = relay.ResidentBytes;
        var connections = new ConcurrentBag<LoadConnection>();
        int next = -1;
        Thread[] threads = [.. Enumerable.Range(0, Workers).Select(_ => new Thread(Work))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());

        double processor = relay.ProcessorSeconds;
        Thread.Sleep(TimeSpan.FromSeconds(10));
        double idle = (relay.ProcessorSeconds - processor) / 10;
        long full = relay.ResidentBytes;
        double perDevice = (full - empty) / 1024.0 / options.Devices;
        foreach (LoadConnection connection in connections)
        {
            connection.Dispose();
        }

        yield return new Measurement(
            $"memory with {Load.Text(options.Devices)} idle devices, MB in all", "1,730", "≤ 800",
            $"{Load.Text(full / 1e6)} (empty {Load.Text(empty / 1e6)})", full <= 800e6);
        yield return new Measurement(
            "memory per idle device, KiB", "161", "≤ 60", Load.Text(perDevice, 1), perDevice <= 60);
        yield return new Measurement(
            $"processor time with {Load.Text(options.Devices)} idle devices, % of a core", "", "", Load.Text(100 * idle, 1), null);

        void Work()
        {
            while (true)
            {
                int index = Interlocked.Increment(ref next);
                if (index >= options.Devices)
                {
                    return;
                }

                int from = index / PerAddress;
                var source = new IPAddress([127, 1, (byte)(from >> 8), (byte)(from + 1)]);
                var connection = new LoadConnection(relay.Uri, new LoadDevice(relay.Uri), source, SmallBuffer);
                connections.Add(connection);
                connection.LogIn();
            }
        }
    }
}
