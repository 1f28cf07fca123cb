using System.Buffers.Binary;
using Diode.Tunnel.Edge.Framing;
using Diode.Tunnel.Edge.Messages;

namespace Diode.Tunnel.LoadTool.Measures;

/// <summary>One device sends port data to another as fast as the relay takes it, without waiting for the answers.</summary>
internal static class PortSendMeasure
{
    private const int BlockSize = 120 * 1024;
    private const int VerifiedFrames = 200;

    public static IEnumerable<Measurement> Run(LoadOptions options)
    {
        (int Size, string Reference, string Target, double BytesPerSecond, double SecondsPerGigabyte)[] rows =
        [
            (64, "28,000 messages/s", "≥ 100,000 messages/s", 100_000 * 64, double.NaN),
            (1400, "36 MB/s at 28.0", "≥ 108 MB/s at ≤ 9.3", 108e6, 9.3),
            (16_000, "327 MB/s at 3.1", "", double.NaN, double.NaN),
            (60_000, "524 MB/s at 1.9", "≥ 524 MB/s", 524e6, double.NaN),
        ];
        foreach (var row in rows.Where(row => options.Size is null || row.Size == options.Size))
        {
            yield return Describe(Measure(options, row.Size), row.Size, row.Reference, row.Target, row.BytesPerSecond, row.SecondsPerGigabyte);
        }
    }

    private static Measurement Describe(
        Load load, int size, string reference, string target, double bytesPerSecond, double secondsPerGigabyte)
    {
        // Of the two rates the higher one is the relay's: the other one includes what the core did for others.
        double rate = Math.Max(load.Rate, load.RatePerCore);
        bool? holds = target.Length == 0 ? null
            : rate >= bytesPerSecond && !(load.SecondsPerBillion > secondsPerGigabyte);
        string perCore = size < 1000
            ? $"{Load.Text(load.RatePerCore / size)} messages/s (wall clock {Load.Text(load.Rate / size)})"
            : $"{Load.Text(load.RatePerCore / 1e6)} MB/s at {Load.Text(load.SecondsPerBillion, 2)} (wall clock {Load.Text(load.Rate / 1e6)})";
        return new Measurement(
            $"portsend {Load.Text(size)} B, per core, CPU s/GB", reference, target,
            $"{perCore} at {Load.Text(100 * load.Share)} % of a core", holds);
    }

    private static Load Measure(LoadOptions options, int size)
    {
        using var relay = new RelayUnderTest(options);
        using var sender = new LoadConnection(relay.Uri, new LoadDevice(relay.Uri));
        using var receiver = new LoadConnection(relay.Uri, new LoadDevice(relay.Uri));
        sender.LogIn();
        receiver.LogIn();
        PortRef port = sender.OpenPort(receiver);
        byte[] block = MakeBlock(port, size, out int frameLength);

        // The first frames are decrypted and read; then only TLS record headers are, which tells the length as well and
        // leaves the generator's core to the sending.
        long records = 0;
        sender.Send(block.AsSpan(0, Math.Min(block.Length, VerifiedFrames * frameLength) / frameLength * frameLength));
        receiver.ReadPortData((long)Math.Min(block.Length / frameLength, VerifiedFrames) * size);
        bool stop = false;
        var sending = new Thread(() => Send(sender, block, ref stop));
        var answers = new Thread(() => Drain(sender));
        var receiving = new Thread(() => CountRecords(receiver, ref records));
        sending.Start();
        answers.Start();
        receiving.Start();
        Thread.Sleep(TimeSpan.FromSeconds(options.WarmUpSeconds));
        Load load = Load.Watch(relay, options.Seconds, () => (double)Volatile.Read(ref records) / frameLength * size);
        Volatile.Write(ref stop, true);
        sender.Socket.Dispose();
        receiver.Socket.Dispose();
        sending.Join();
        answers.Join();
        receiving.Join();
        return load;
    }

    private static byte[] MakeBlock(PortRef port, int size, out int frameLength)
    {
        using var output = new OutputBuffer();
        var writer = new EdgeMessageWriter(output);
        byte[] data = new byte[size];
        new Random(1).NextBytes(data);

        // The id has four bytes like those of the relay, so that frames are as long on both sides.
        writer.WritePortSend(0x1000_0000, port, data);
        frameLength = output.Length;
        for (int frames = Math.Max(1, BlockSize / frameLength); frames > 1; frames--)
        {
            writer.WritePortSend(0x1000_0000, port, data);
        }

        return output.WrittenMemory.ToArray();
    }

    private static void Send(LoadConnection sender, byte[] block, ref bool stop)
    {
        try
        {
            while (!Volatile.Read(ref stop))
            {
                sender.Send(block);
            }
        }
        catch (Exception exception) when (exception is System.Net.Sockets.SocketException or ObjectDisposedException)
        {
            // The measurement is over.
        }
    }

    private static void Drain(LoadConnection connection)
    {
        try
        {
            while (!connection.ReceiveRaw().IsEmpty)
            {
            }
        }
        catch (ObjectDisposedException)
        {
            // The measurement is over.
        }
    }

    // TLS 1.2 with AES-GCM: 5 bytes of header, 8 of nonce, plaintext, 16 of tag.
    private static void CountRecords(LoadConnection connection, ref long plaintext)
    {
        const int header = 5;
        const int overhead = 24;
        Span<byte> partial = stackalloc byte[header];
        int have = 0;
        int skip = 0;
        try
        {
            while (true)
            {
                ReadOnlySpan<byte> bytes = connection.ReceiveRaw();
                if (bytes.IsEmpty)
                {
                    return;
                }

                while (!bytes.IsEmpty)
                {
                    int step = Math.Min(skip, bytes.Length);
                    skip -= step;
                    bytes = bytes[step..];
                    while (skip == 0 && !bytes.IsEmpty && have < header)
                    {
                        partial[have++] = bytes[0];
                        bytes = bytes[1..];
                    }

                    if (have == header)
                    {
                        have = 0;
                        skip = BinaryPrimitives.ReadUInt16BigEndian(partial[3..]);
                        Volatile.Write(ref plaintext, plaintext + skip - overhead);
                    }
                }
            }
        }
        catch (ObjectDisposedException)
        {
            // The measurement is over.
        }
    }
}
