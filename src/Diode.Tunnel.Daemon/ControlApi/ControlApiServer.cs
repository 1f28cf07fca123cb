using System.Runtime.Versioning;
using Diode.Tunnel.Daemon.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.Daemon.ControlApi;

/// <summary>
/// The host of the daemon with Kestrel on the Unix socket and nothing else: the builder is the empty one, so neither
/// ASPNETCORE_URLS nor an appsettings.json can open a TCP port.
/// </summary>
[SupportedOSPlatform("linux")]
public static class ControlApiServer
{
    private static readonly TimeSpan ShutdownTimeout = TimeSpan.FromSeconds(15);

    /// <summary>Builds the host; services added here start before the API listens and stop after it.</summary>
    /// <param name="options">Socket and access.</param>
    /// <param name="register">Adds an <see cref="IControlBackend"/>, hosted services and logging.</param>
    public static WebApplication Build(ControlApiOptions options, Action<IServiceCollection> register)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(register);
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions
        {
            ApplicationName = "diode-tunneld",
            ContentRootPath = AppContext.BaseDirectory,
        });
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = ShutdownTimeout);
        register(builder.Services);
        builder.WebHost.UseKestrelCore().ConfigureKestrel((_, kestrel) =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = options.MaxRequestBytes;
            kestrel.Limits.MaxConcurrentConnections = 1024;
            kestrel.ListenUnixSocket(options.SocketPath, listen =>
            {
                ILogger logger = kestrel.ApplicationServices.GetRequiredService<ILoggerFactory>()
                    .CreateLogger("Diode.Tunnel.Daemon.ControlApi");
                var callers = new CallerMiddleware(options, logger);
                listen.Use(callers.Wrap);
            });
        });

        WebApplication app = builder.Build();
        ILogger logger = app.Services.GetRequiredService<ILoggerFactory>().CreateLogger("Diode.Tunnel.Daemon.ControlApi");
        var dispatcher = new ControlDispatcher(
            ControlRouteTable.Build(app.Services.GetRequiredService<IControlBackend>(), app.Lifetime.ApplicationStopping),
            logger);
        app.Run(dispatcher.InvokeAsync);
        return app;
    }

    /// <summary>Frees the socket path, starts the host and lets local users connect.</summary>
    /// <exception cref="StartupException">The socket cannot be used.</exception>
    public static async Task StartAsync(WebApplication app, ControlApiOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(app);
        ArgumentNullException.ThrowIfNull(options);
        ControlSocket.Prepare(options.SocketPath);
        try
        {
            await app.StartAsync(cancellationToken);
        }
        catch (Exception e) when (e is AddressInUseException || e.InnerException is AddressInUseException)
        {
            throw new StartupException(
                DaemonExitCodes.Unavailable,
                $"Another daemon took {options.SocketPath} at the same moment.",
                "Stop it first: sudo systemctl stop diode-tunneld",
                e);
        }

        ControlSocket.Open(options.SocketPath);
    }
}
