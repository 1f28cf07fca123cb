using System.Net;
using System.Net.Sockets;

namespace Diode.Tunnel.LoadTool.Measures;

/// <summary>Datagrams through a UDP port of the relay's host, one way, with a bounded number on their way so that none is lost.</summary>
internal static class UdpMeasure
{
    private const int Window = 256;
    private const int Burst = 32;

    public static IEnumerable<Measurement> Run(LoadOptions options)
    {
        if (options.Size is null or 64)
        {
            yield return Describe(Measure(options, 64), 64, "109", 142_000);
        }

        if (options.Size is null or 1200)
        {
            yield return Describe(Measure(options, 1200), 1200, "45", 59_000);
        }
    }

    private static Measurement Describe(Load load, int size, string reference, double target)
    {
        return new Measurement(
            $"portopen2 UDP {Load.Text(size)} B, 1,000 packets/s per core", reference, $"≥ {Load.Text(target / 1000)}",
            $"{Load.Text(load.RatePerCore / 1000)} (wall clock {Load.Text(load.Rate / 1000)} at {Load.Text(100 * load.Share)} % of a core)",
            Math.Max(load.RatePerCore, load.Rate) >= target);
    }

    private static Load Measure(LoadOptions options, int size)
    {
        using var relay = new RelayUnderTest(options);
        using var requester = new LoadConnection(relay.Uri, new LoadDevice(relay.Uri));
        using var target = new LoadConnection(relay.Uri, new LoadDevice(relay.Uri));
        requester.LogIn();
        target.LogIn();
        var port = new IPEndPoint(IPAddress.Loopback, requester.OpenPhysicalPort(target, udp: true));
        using Socket from = Bind(port);
        using Socket to = Bind(port);
        Join(from, to);

        long received = 0;
        bool stop = false;
        var thread = new Thread(() => Pump(from, to, size, ref received, ref stop));
        thread.Start();
        Thread.Sleep(TimeSpan.FromSeconds(options.WarmUpSeconds));
        Load load = Load.Watch(relay, options.Seconds, () => Volatile.Read(ref received));
        Volatile.Write(ref stop, true);
        thread.Join();
        return load;
    }

    private static Socket Bind(IPEndPoint port)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        socket.Connect(port);
        socket.ReceiveBufferSize = 4 << 20;
        return socket;
    }

    // Both have to be heard of: the first two senders are the pair.
    private static void Join(Socket from, Socket to)
    {
        byte[] buffer = new byte[2048];
        from.Send([1]);
        Thread.Sleep(200);
        to.Send([2]);
        from.Receive(buffer);
        to.Receive(buffer);
    }

    private static void Pump(Socket from, Socket to, int size, ref long received, ref bool stop)
    {
        byte[] datagram = new byte[size];
        byte[] buffer = new byte[65536];
        to.Blocking = false;
        long sent = 0;
        long arrived = 0;
        while (!Volatile.Read(ref stop))
        {
            for (int burst = 0; burst < Burst && sent - arrived < Window; burst++)
            {
                from.Send(datagram);
                sent++;
            }

            bool any = false;
            while (to.Receive(buffer, SocketFlags.None, out SocketError error) > 0 && error == SocketError.Success)
            {
                arrived++;
                any = true;
            }

            Volatile.Write(ref received, arrived);
            if (!any && sent - arrived >= Window && !to.Poll(TimeSpan.FromMilliseconds(20), SelectMode.SelectRead))
            {
                // What is missing after so long was lost.
                sent = arrived;
            }
        }
    }
}
