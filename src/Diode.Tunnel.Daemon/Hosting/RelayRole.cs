using System.Net;
using System.Runtime.InteropServices;
using Diode.Tunnel.Daemon.Configuration;
using Diode.Tunnel.Platform.Service;
using Diode.Tunnel.Relay;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.Daemon.Hosting;

/// <summary>The relay role: <c>diode-tunneld relay</c>, or the program called by the name <c>diode-relay</c>.</summary>
internal static class RelayRole
{
    /// <summary>Runs until SIGTERM or SIGINT; the first line on standard output is the relay's <c>diode://</c> URI.</summary>
    /// <exception cref="StartupException">The relay cannot run.</exception>
    internal static async Task<int> RunAsync(RelayRoleOptions options)
    {
        ServiceCollection services = new();
        DaemonLogging.Add(services, options.LogLevel);
        await using ServiceProvider provider = services.BuildServiceProvider();
        ILogger logger = provider.GetRequiredService<ILoggerFactory>().CreateLogger("Diode.Tunnel.Relay");
        await using RelayNode node = new(
            new RelayOptions
            {
                Listen = [.. options.Listen.Select(Resolve)],
                Host = options.PublicHost,
                Name = options.Name,
                StateDirectory = options.StateDir,
            },
            logger);
        TaskCompletionSource stop = new(TaskCreationOptions.RunContinuationsAsynchronously);
        using PosixSignalRegistration term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal);
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal);
        using SystemdNotify notify = SystemdNotify.FromEnvironment();
        node.Start();
        Console.WriteLine(node.UriText);
        notify.Ready();
        await stop.Task;
        notify.Stopping();
        await node.StopAsync();
        return DaemonExitCodes.Ok;

        void OnSignal(PosixSignalContext context)
        {
            context.Cancel = true;
            stop.TrySetResult();
        }
    }

    private static IPEndPoint Resolve(string hostPort)
    {
        if (IPEndPoint.TryParse(hostPort, out IPEndPoint? endpoint))
        {
            return endpoint;
        }

        throw new StartupException(
            DaemonExitCodes.Configuration,
            $"'{hostPort}' is not an address this machine can listen on.",
            "Use for example --listen 0.0.0.0:41046 or --listen [::]:41046");
    }
}
