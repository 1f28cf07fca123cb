using System.Net.Sockets;
using Diode.Tunnel.Edge.Framing;
using Diode.Tunnel.Edge.Messages;

namespace Diode.Tunnel.LoadTool.Measures;

/// <summary>Four devices send without waiting to one that reads slowly; what memory that costs and what two others feel.</summary>
internal static class UnwindowedMeasure
{
    private const int Senders = 4;
    private const int Size = 16_000;
    private const int ReadBytes = 64 * 1024;
    private const int SettleMs = 3000;
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan ReadEvery = TimeSpan.FromMilliseconds(50);

    public static IEnumerable<Measurement> Run(LoadOptions options)
    {
        using var relay = new RelayUnderTest(options);
        using var others = new EchoMeasure(relay);
        others.Measure(2000);
        double[] quiet = others.Measure(3000);
        using var reader = new LoadConnection(relay.Uri, new LoadDevice(relay.Uri), null, ReadBytes);
        reader.LogIn();
        List<LoadConnection> senders = [];
        List<byte[]> frames = [];
        for (int index = 0; index < Senders; index++)
        {
            var sender = new LoadConnection(relay.Uri, new LoadDevice(relay.Uri));
            sender.LogIn();
            frames.Add(MakeFrame(sender.OpenPort(reader)));
            senders.Add(sender);
        }

        long before = relay.ResidentBytes;
        long peak = before;
        long sent = 0;
        bool stop = false;
        List<Thread> threads =
        [
            .. senders.Select((sender, index) => new Thread(() => Send(sender, frames[index], ref sent, ref stop))),
            new Thread(() => ReadSlowly(reader, ref stop)),
            new Thread(() => Watch(relay, ref peak, ref stop)),
        ];
        threads.ForEach(thread => thread.Start());
        DateTime end = DateTime.UtcNow + Duration;
        double[] loaded = others.Measure(int.MaxValue / 64, () => DateTime.UtcNow < end);
        Volatile.Write(ref stop, true);
        foreach (LoadConnection connection in senders.Append(reader))
        {
            connection.Socket.Dispose();
        }

        threads.ForEach(thread => thread.Join());
        Thread.Sleep(SettleMs);
        long after = relay.ResidentBytes;
        senders.ForEach(sender => sender.Dispose());
        yield return new Measurement(
            $"memory under {Senders} unwindowed senders for {Duration.TotalSeconds} s, MB before → peak → after", "→ 1,900", "flat",
            $"{Load.Text(before / 1e6)} → {Load.Text(peak / 1e6)} → {Load.Text(after / 1e6)} ({Load.Text(sent / 1e6)} MB were taken)",
            peak - before <= 64e6);
        yield return new Measurement(
            "echo of two others meanwhile, µs, 50 % / 99 % below", "", "not felt",
            $"{Load.Text(EchoMeasure.Percentile(loaded, 50))} / {Load.Text(EchoMeasure.Percentile(loaded, 99))}"
            + $" (before {Load.Text(EchoMeasure.Percentile(quiet, 50))} / {Load.Text(EchoMeasure.Percentile(quiet, 99))})",
            null);
    }

    private static byte[] MakeFrame(PortRef port)
    {
        using var output = new OutputBuffer();
        new EdgeMessageWriter(output).WritePortSend(1, port, new byte[Size]);
        return output.WrittenMemory.ToArray();
    }

    private static void Send(LoadConnection sender, byte[] frame, ref long sent, ref bool stop)
    {
        try
        {
            while (!Volatile.Read(ref stop))
            {
                sender.Send(frame);
                Interlocked.Add(ref sent, frame.Length);
            }
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // Cut, or over.
        }
    }

    private static void ReadSlowly(LoadConnection reader, ref bool stop)
    {
        try
        {
            while (!Volatile.Read(ref stop))
            {
                reader.ReceiveRaw();
                Thread.Sleep(ReadEvery);
            }
        }
        catch (ObjectDisposedException)
        {
            // Over.
        }
    }

    private static void Watch(RelayUnderTest relay, ref long peak, ref bool stop)
    {
        while (!Volatile.Read(ref stop))
        {
            peak = Math.Max(peak, relay.ResidentBytes);
            Thread.Sleep(20);
        }
    }
}
