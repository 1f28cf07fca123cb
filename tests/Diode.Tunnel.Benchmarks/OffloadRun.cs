using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Diode.Tunnel.IntegrationTests.Platform;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Sockets;
using Diode.Tunnel.Platform.Tun.Offload;

namespace Diode.Tunnel.Benchmarks;

/// <summary>
/// What moving bytes in and out of the system costs with and without offloads, without any cipher: two adapters joined by threads of this
/// process with iperf3 at both ends, and two UDP sockets. CPU time is this process's own. Needs root, iproute2 and iperf3.
/// </summary>
internal static class OffloadRun
{
    private const int Seconds = 3;
    private const long UdpBytes = 2_000_000_000;
    private const int DatagramLength = 1452;
    private const int TrainDatagrams = 44;

    public static void Print()
    {
        PrintPure();
        Console.WriteLine($"{"adapter to adapter, TCP",-46}{"Mbit/s",10}{"CPU s/GB",12}{"packets/write",16}");
        TunOffloads[] sets =
        [
            TunOffloads.None, TunOffloads.TcpSegmentation, TunOffloads.ReceiveMerge, TunOffloads.TcpSegmentation | TunOffloads.ReceiveMerge,
        ];
        foreach (TunOffloads offloads in sets)
        {
            PrintTcp(offloads);
        }

        Console.WriteLine($"{"socket to socket, UDP of 1,452 bytes",-46}{"Mbit/s",10}{"CPU s/GB",12}{"datagrams/slot",16}");
        foreach (UdpOffloads offloads in new[] { UdpOffloads.None, UdpOffloads.Segmentation, UdpOffloads.All })
        {
            PrintUdp(offloads);
        }
    }

    private static void PrintPure()
    {
        const int Segments = 46;
        const int Payload = 1348;
        byte[] super = new byte[52 + (Segments * Payload)];
        byte[] header = TunOffloadTest.Build(SegmentKind.TcpIpv4);
        header.AsSpan(VirtioHeader.Length, 40).CopyTo(super);
        super[32] = 0x80;
        SegmentLayout layout = new(SegmentKind.TcpIpv4, 20, 52, Payload);
        PacketPool pool = new();
        PacketBuffer[] packets = [.. Enumerable.Range(0, Segments).Select(_ => pool.Rent())];
        double cut = Best(() =>
        {
            for (int i = 0; i < Segments; i++)
            {
                packets[i].Length = Segmenter.Write(super, in layout, i, packets[i].Room);
            }
        });
        PacketMerger merger = new(new NullSink());
        double merged = Best(() =>
        {
            foreach (PacketBuffer packet in packets)
            {
                merger.Add(packet, packet.Offset, packet.Length, tcp: true, udp: true);
            }

            merger.Flush();
        });
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"packet of 1,400 bytes: cut {cut / Segments:F0} ns, merged {merged / Segments:F0} ns"));
    }

    private static double Best(Action work)
    {
        double best = double.MaxValue;
        for (long start = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(1);)
        {
            long slice = Stopwatch.GetTimestamp();
            for (int i = 0; i < 10; i++)
            {
                work();
            }

            best = Math.Min(best, Stopwatch.GetElapsedTime(slice).TotalNanoseconds / 10);
        }

        return best;
    }

    private static void PrintTcp(TunOffloads offloads)
    {
        using TunBridge bridge = new(offloads);
        using Process server = bridge.B.Start("iperf3", "-s", "-1");
        bridge.A.Exec($"for i in $(seq 1 50); do ping -c1 -W1 -q {TunBridge.AddressB} >/dev/null && break; done; sleep 0.3");
        TimeSpan before = Environment.CpuUsage.TotalTime;
        string report = bridge.A.Exec(string.Create(
            CultureInfo.InvariantCulture, $"iperf3 -c {TunBridge.AddressB} -t {Seconds} -O 1 -J"));
        TimeSpan used = Environment.CpuUsage.TotalTime - before;
        server.WaitForExit(2000);
        using JsonDocument json = JsonDocument.Parse(report);
        JsonElement sum = json.RootElement.GetProperty("end").GetProperty("sum_received");
        double rate = sum.GetProperty("bits_per_second").GetDouble();

        // The omitted first second is in the CPU time and so belongs into the bytes.
        double carried = rate * (Seconds + 1) / 8e9;
        Row(offloads.ToString(), rate, used, carried, bridge.Packets / (double)(TunBridge.Received(bridge.A) + TunBridge.Received(bridge.B)));
    }

    private static void PrintUdp(UdpOffloads offloads)
    {
        UdpChannelOptions options = new()
        {
            Mark = 0,
            Segmentation = offloads.HasFlag(UdpOffloads.Segmentation),
            Merge = offloads.HasFlag(UdpOffloads.Merge),
        };
        using UdpChannel sender = UdpChannel.Bind(AddressFamily.InterNetwork, 0, options);
        using UdpChannel receiver = UdpChannel.Bind(AddressFamily.InterNetwork, 0, options);
        EndpointAddress.TryFrom(new IPEndPoint(IPAddress.Loopback, receiver.Port), out EndpointAddress to);
        long received = 0;
        long slots = 0;
        Thread reader = new(() =>
        {
            DatagramBatch batch = new(new PacketPool());
            for (int count; (count = receiver.Receive(batch)) > 0; slots += count)
            {
                for (int i = 0; i < count; i++)
                {
                    received += batch.Buffer(i).Length;
                }
            }
        });
        reader.Start();
        byte[] train = new byte[TrainDatagrams * DatagramLength];
        TimeSpan before = Environment.CpuUsage.TotalTime;
        Stopwatch time = Stopwatch.StartNew();
        for (long sent = 0; sent < UdpBytes && time.Elapsed < TimeSpan.FromSeconds(Seconds); sent += train.Length)
        {
            // The loopback has no back pressure: never ahead by more than the receiver's buffer.
            while (sent - Volatile.Read(ref received) - ((receiver.ReceiveDrops + sender.SendDrops) * DatagramLength) > 2_000_000)
            {
                Thread.Yield();
            }

            sender.Send(in to, train, DatagramLength);
        }

        TimeSpan used = Environment.CpuUsage.TotalTime - before;
        double bytes = Volatile.Read(ref received);
        double rate = bytes * 8 / time.Elapsed.TotalSeconds;
        receiver.Stop();
        reader.Join();
        Row(offloads.ToString(), rate, used, bytes / 1e9, receiver.Received / (double)Math.Max(1, slots));
    }

    private static void Row(string name, double rate, TimeSpan used, double gigabytes, double gathered) => Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture, $"{name,-46}{rate / 1e6,10:F0}{used.TotalSeconds / gigabytes,12:F2}{gathered,16:F1}"));

    private sealed class NullSink : IMergeSink
    {
        public void WriteSingle(ReadOnlySpan<byte> packet)
        {
        }

        public void WriteMerged(MergeGroup group)
        {
        }
    }
}
