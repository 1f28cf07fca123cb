using Diode.Tunnel.Daemon.ControlApi;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Diode.Tunnel.Daemon.Hosting;

/// <summary>Where the device role gets its engine and the backend of the control API.</summary>
internal static class EngineRegistration
{
    /// <summary>Adds an <see cref="IControlBackend"/> and the hosted services behind it.</summary>
    internal static void Add(IServiceCollection services)
    {
        services.AddSingleton(TimeProvider.System);
        services.AddSingleton<EngineHost>();
        services.AddSingleton<IHostedService>(static provider => provider.GetRequiredService<EngineHost>());
        services.AddSingleton<IControlBackend, EngineBackend>();
    }
}
