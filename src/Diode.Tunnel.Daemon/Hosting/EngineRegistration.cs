using Diode.Tunnel.Daemon.ControlApi;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Diode.Tunnel.Daemon.Hosting;

/// <summary>Where the device role gets its engine and the backend of the control API.</summary>
internal static class EngineRegistration
{
    /// <summary>Adds an <see cref="IControlBackend"/> and the hosted services behind it.</summary>
    /// <param name="services">Services of the host.</param>
    /// <param name="engine">The engine, which may be starting already.</param>
    internal static void Add(IServiceCollection services, EngineHost engine)
    {
        services.AddSingleton(TimeProvider.System);
        services.AddSingleton(engine);
        services.AddSingleton<IHostedService>(static provider => provider.GetRequiredService<EngineHost>());
        services.AddHostedService<MemoryService>();
        services.AddSingleton<IControlBackend, EngineBackend>();
    }
}
