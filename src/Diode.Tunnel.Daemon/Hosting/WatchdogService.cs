using Diode.Tunnel.Platform.Service;
using Microsoft.Extensions.Hosting;

namespace Diode.Tunnel.Daemon.Hosting;

/// <summary>Tells systemd at half its watchdog time that the thread pool still runs things; idle without a watchdog.</summary>
internal sealed class WatchdogService(SystemdNotify systemd) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (systemd.WatchdogInterval is not TimeSpan interval)
        {
            return;
        }

        using var timer = new PeriodicTimer(interval);
        try
        {
            do
            {
                systemd.Watchdog();
            }
            while (await timer.WaitForNextTickAsync(stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopped.
        }
    }
}
