using System.Net.Sockets;
using System.Runtime.Versioning;
using Diode.Tunnel.Daemon.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
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

    /// <summary>
    /// Takes the socket and builds the host; services added here start before the API answers and stop after it.
    /// Stopping or disposing the host gives the socket back.
    /// </summary>
    /// <param name="options">Socket and access.</param>
    /// <param name="register">Adds an <see cref="IControlBackend"/>, hosted services and logging.</param>
    /// <exception cref="StartupException">The socket cannot be used.</exception>
    public static WebApplication Build(ControlApiOptions options, Action<IServiceCollection> register)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(register);
        Socket socket = ControlSocket.Bind(options.SocketPath);
        try
        {
            return Build(options, socket, register);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static WebApplication Build(ControlApiOptions options, Socket socket, Action<IServiceCollection> register)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions
        {
            ApplicationName = "diode-tunneld",
            ContentRootPath = AppContext.BaseDirectory,
        });
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = ShutdownTimeout);
        builder.Services.Configure<SocketTransportOptions>(transport => transport.CreateBoundListenSocket = _ => socket);

        // The container disposes the socket if the host never gets to start.
        builder.Services.AddSingleton(_ => new SocketOwner(socket));
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
            () => ControlRouteTable.Build(app.Services.GetRequiredService<IControlBackend>(), app.Lifetime.ApplicationStopping),
            logger);
        app.Services.GetRequiredService<SocketOwner>();
        app.Run(dispatcher.InvokeAsync);
        return app;
    }

    private sealed class SocketOwner(Socket socket) : IDisposable
    {
        public void Dispose() => socket.Dispose();
    }
}
