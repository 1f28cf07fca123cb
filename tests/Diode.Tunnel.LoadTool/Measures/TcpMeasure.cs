using System.Net;
using System.Net.Sockets;

namespace Diode.Tunnel.LoadTool.Measures;

/// <summary>Bytes through a TCP port of the relay's host, one way.</summary>
internal static class TcpMeasure
{
    public static IEnumerable<Measurement> Run(LoadOptions options)
    {
        using var relay = new RelayUnderTest(options);
        using var requester = new LoadConnection(relay.Uri, new LoadDevice(relay.Uri));
        using var target = new LoadConnection(relay.Uri, new LoadDevice(relay.Uri));
        requester.LogIn();
        target.LogIn();
        var port = new IPEndPoint(IPAddress.Loopback, requester.OpenPhysicalPort(target, udp: false));
        using var from = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        using var to = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        from.Connect(port);
        to.Connect(port);
        long received = 0;
        var sending = new Thread(() => Repeat(() => from.Send(new byte[256 * 1024])));
        byte[] buffer = new byte[1 << 20];
        var receiving = new Thread(() => Repeat(() => Volatile.Write(ref received, received + to.Receive(buffer))));
        sending.Start();
        receiving.Start();
        Thread.Sleep(TimeSpan.FromSeconds(options.WarmUpSeconds));
        Load load = Load.Watch(relay, options.Seconds, () => Volatile.Read(ref received));
        from.Dispose();
        to.Dispose();
        sending.Join();
        receiving.Join();
        yield return new Measurement(
            "portopen2 TCP, MB/s per core, CPU s/GB", "193 MB/s at 5.2", "≥ 579 MB/s at ≤ 1.7",
            $"{Load.Text(load.RatePerCore / 1e6)} MB/s at {Load.Text(load.SecondsPerBillion, 2)} (wall clock {Load.Text(load.Rate / 1e6)} at {Load.Text(100 * load.Share)} % of a core)",
            Math.Max(load.RatePerCore, load.Rate) >= 579e6 && load.SecondsPerBillion <= 1.7);
    }

    private static void Repeat(Func<object> step)
    {
        try
        {
            while (true)
            {
                step();
            }
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // The measurement is over.
        }
    }

    private static void Repeat(Action step)
    {
        Repeat(() =>
        {
            step();
            return step;
        });
    }
}
