using System.Globalization;
using System.Runtime.Versioning;
using Diode.Tunnel.Daemon.Configuration;
using Diode.Tunnel.Daemon.ControlApi;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Service;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.Daemon.Hosting;

/// <summary>The device role: engine and control API in one host, until SIGTERM, SIGINT or a fatal reason.</summary>
internal static class DeviceRole
{
    /// <summary>Runs the role; returns the exit code.</summary>
    /// <exception cref="StartupException">It cannot start, or had to stop.</exception>
    internal static async Task<int> RunAsync(DaemonOptions options)
    {
        if (!OperatingSystem.IsLinux())
        {
            throw new StartupException(DaemonExitCodes.Unavailable, "The device role runs on Linux only in this version.");
        }

        RequirePrivilege();
        StateFolder.Prepare(options.StateDir);
        using ILoggerFactory loggers = DaemonLogging.Create(options.LogLevel);
        EngineHost engine = new(options, loggers, TimeProvider.System);
        try
        {
            return await RunAsync(options, loggers, engine);
        }
        finally
        {
            // Once more for a start that failed half-way: a stopped engine is left alone.
            await engine.StopAsync(CancellationToken.None);
        }
    }

    [SupportedOSPlatform("linux")]
    private static async Task<int> RunAsync(DaemonOptions options, ILoggerFactory loggers, EngineHost engine)
    {
        var api = new ControlApiOptions(options.Socket, new AccessPolicy(EffectiveUid(), options.OperatorUid));
        ILogger logger = loggers.CreateLogger("Diode.Tunnel.Daemon");
        using SystemdNotify systemd = SystemdNotify.FromEnvironment();
        await using WebApplication app = ControlApiServer.Build(api, services =>
        {
            // The socket is ours now, so no other daemon runs.
            Log.Starting(logger, ProgramVersion.Text, options.StateDir);
            engine.Begin();
            services.AddSingleton(loggers);
            services.AddLogging();
            services.AddSingleton(options);
            services.AddSingleton<FatalStop>();
            services.AddHostedService(_ => new WatchdogService(systemd));
            EngineRegistration.Add(services, engine);
        });
        app.Lifetime.ApplicationStopping.Register(() =>
        {
            systemd.Stopping();
            Log.Stopping(logger);
        });
        await app.StartAsync();
        Log.ControlListening(logger, api.SocketPath);
        Log.Ready(logger);
        systemd.Ready();
        await app.WaitForShutdownAsync();
        return app.Services.GetRequiredService<FatalStop>().Reason is StartupException reason
            ? throw reason
            : DaemonExitCodes.Ok;
    }

    private static void RequirePrivilege()
    {
        try
        {
            ProcessPrivileges.RequireNetAdmin("diode-tunneld run");
        }
        catch (PlatformException e)
        {
            throw new StartupException(
                DaemonExitCodes.NotPrivileged, e.Message, "As a service: sudo systemctl start diode-tunneld", e);
        }
    }

    /// <summary>proc_pid_status(5): "Uid: real effective saved filesystem".</summary>
    private static uint EffectiveUid()
    {
        string line = File.ReadLines("/proc/self/status").First(l => l.StartsWith("Uid:", StringComparison.Ordinal));
        return uint.Parse(
            line.Split('\t', StringSplitOptions.RemoveEmptyEntries)[2], NumberStyles.None, CultureInfo.InvariantCulture);
    }
}
