using System.Diagnostics;
using System.Globalization;

namespace Diode.Tunnel.Benchmarks;

/// <summary>
/// A first number within seconds, one thread: the best of many slices of about a millisecond, so that what else the machine
/// does falls out. BenchmarkDotNet gives the distribution.
/// </summary>
internal static class QuickRun
{
    private const int SlicePackets = 256;
    private static readonly TimeSpan WarmUp = TimeSpan.FromMilliseconds(300);
    private static readonly TimeSpan RunTime = TimeSpan.FromMilliseconds(700);

    public static void Print(IEnumerable<IRung> rungs)
    {
        Console.WriteLine($"{"load",-14}{"rung",-34}{"ns/packet",12}{"GB/s",10}{"Gbit/s",10}{"B alloc/packet",18}");
        foreach (IRung rung in rungs)
        {
            using (rung)
            {
                Measure(rung, WarmUp);
                (double nanoseconds, double allocated) = Measure(rung, RunTime);
                double gigabytes = rung.Load.Length / nanoseconds;
                Console.WriteLine(string.Create(
                    CultureInfo.InvariantCulture,
                    $"{rung.Load,-14}{rung.Name,-34}{nanoseconds,12:F0}{gigabytes,10:F2}{8 * gigabytes,10:F1}{allocated,18:F1}"));
            }
        }
    }

    private static (double Nanoseconds, double Allocated) Measure(IRung rung, TimeSpan runTime)
    {
        long allocatedBefore = GC.GetAllocatedBytesForCurrentThread();
        long start = Stopwatch.GetTimestamp();
        long packets = 0;
        int calls = Math.Max(1, SlicePackets / rung.Load.Count);
        TimeSpan best = TimeSpan.MaxValue;
        do
        {
            long sliceStart = Stopwatch.GetTimestamp();
            for (int i = 0; i < calls; i++)
            {
                rung.Packets();
            }

            TimeSpan slice = Stopwatch.GetElapsedTime(sliceStart);
            best = slice < best ? slice : best;
            packets += calls * rung.Load.Count;
        }
        while (Stopwatch.GetElapsedTime(start) < runTime);

        double allocated = (GC.GetAllocatedBytesForCurrentThread() - allocatedBefore) / (double)packets;
        return (best.TotalNanoseconds / (calls * rung.Load.Count), allocated);
    }
}
