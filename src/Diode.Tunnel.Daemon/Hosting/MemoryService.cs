using Diode.Tunnel.Platform.Memory;
using Microsoft.Extensions.Hosting;

namespace Diode.Tunnel.Daemon.Hosting;

/// <summary>
/// Gives memory back a moment after the start, and later whenever the program has grown: its files' pages also under load, the heap when
/// there is not much to do.
/// </summary>
/// <remarks>Compacting the heap makes everything wait for some milliseconds, hence not under load.</remarks>
internal sealed class MemoryService(TimeProvider time) : BackgroundService
{
    private static readonly TimeSpan AfterStart = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(15);

    /// <summary>Growth that is worth the work.</summary>
    private const long WorthBytes = 4 << 20;

    /// <summary>Share of one processor that counts as idle.</summary>
    private const double IdleShare = 0.02;

    /// <summary>Whether the program has grown enough to give something back.</summary>
    /// <param name="resident">Resident bytes now.</param>
    /// <param name="lowest">Resident bytes after the last time.</param>
    internal static bool HasGrown(long resident, long lowest) => resident - lowest > WorthBytes;

    /// <summary>Whether nobody is held up by a pause.</summary>
    /// <param name="busy">Processor time used during the interval.</param>
    /// <param name="interval">Its length.</param>
    internal static bool IsIdle(TimeSpan busy, TimeSpan interval) => busy < interval * IdleShare;

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            await Task.Delay(AfterStart, time, stoppingToken);
            long lowest = Release(isIdle: true);
            while (true)
            {
                TimeSpan used = Environment.CpuUsage.TotalTime;
                await Task.Delay(Interval, time, stoppingToken);
                bool isIdle = IsIdle(Environment.CpuUsage.TotalTime - used, Interval);
                if (HasGrown(ResidentMemory.Bytes, lowest))
                {
                    lowest = Release(isIdle);
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopped.
        }
    }

    private static long Release(bool isIdle)
    {
        if (isIdle)
        {
            ResidentMemory.ReleaseHeap();
        }

        ResidentMemory.ReleaseProgram();
        return ResidentMemory.Bytes;
    }
}
