using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Diode.Tunnel.Platform;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Diode.Tunnel.Relay.Rpc;

/// <summary>Kestrel with the limits of this interface and nothing else: no configuration file, no variables, no signals.</summary>
internal static class HttpHost
{
    /// <summary>Builds a host; it binds when it is started.</summary>
    public static WebApplication Build(
        IReadOnlyList<IPEndPoint> plain,
        IReadOnlyList<IPEndPoint> secure,
        X509Certificate2? certificate,
        X509Certificate2Collection chain,
        Func<ConnectionDelegate, ConnectionDelegate>? wrap)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions
        {
            ApplicationName = "diode-relay",
            ContentRootPath = AppContext.BaseDirectory,
        });
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(3));
        builder.Services.AddSingleton<IHostLifetime, NoSignals>();
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = RpcLimits.MaxDrainedBody;
            kestrel.Limits.MaxConcurrentConnections = RpcLimits.MaxConnections;
            kestrel.Limits.MaxConcurrentUpgradedConnections = RpcLimits.MaxConnections;
            kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(10);
            kestrel.Limits.KeepAliveTimeout = TimeSpan.FromSeconds(60);
            kestrel.Limits.MinRequestBodyDataRate = new MinDataRate(1024, TimeSpan.FromSeconds(5));
            kestrel.Limits.MinResponseDataRate = new MinDataRate(1024, TimeSpan.FromSeconds(5));
            kestrel.Limits.MaxRequestHeadersTotalSize = 16 << 10;
            foreach (IPEndPoint endpoint in plain)
            {
                kestrel.Listen(endpoint, listen => Configure(listen, wrap));
            }

            foreach (IPEndPoint endpoint in secure)
            {
                kestrel.Listen(endpoint, listen =>
                {
                    Configure(listen, wrap);
                    listen.UseHttps(new HttpsConnectionAdapterOptions
                    {
                        ServerCertificate = certificate,
                        ServerCertificateChain = chain,
                    });
                });
            }
        });
        return builder.Build();
    }

    /// <summary>Starts a host; the bound endpoints, plain ones first.</summary>
    /// <exception cref="PlatformException">A port cannot be used.</exception>
    public static async Task<IReadOnlyList<IPEndPoint>> StartAsync(WebApplication app)
    {
        try
        {
            await app.StartAsync();
        }
        catch (Exception exception) when (exception is IOException or SocketException)
        {
            throw new PlatformException(exception.Message, 0, "Choose another address or port.");
        }

        ICollection<string> addresses =
            app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()?.Addresses ?? [];
        return [.. addresses.Select(address => new Uri(address)).Select(uri => new IPEndPoint(IPAddress.Parse(uri.Host.Trim('[', ']')), uri.Port))];
    }

    private static void Configure(ListenOptions listen, Func<ConnectionDelegate, ConnectionDelegate>? wrap)
    {
        listen.Protocols = HttpProtocols.Http1;
        if (wrap is not null)
        {
            listen.Use(wrap);
        }
    }

    // The role that runs the relay listens to signals.
    private sealed class NoSignals : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
