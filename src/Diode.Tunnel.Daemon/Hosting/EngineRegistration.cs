using Diode.Tunnel.Daemon.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Diode.Tunnel.Daemon.Hosting;

/// <summary>Where the device role gets its engine and the backend of the control API.</summary>
internal static class EngineRegistration
{
    /// <summary>Adds an <see cref="ControlApi.IControlBackend"/> and the hosted services behind it.</summary>
    internal static void Add(IServiceCollection services, DaemonOptions options)
    {
        ArgumentNullException.ThrowIfNull(services);
        throw new StartupException(
            DaemonExitCodes.Unavailable,
            "The tunnel engine is not part of this build.",
            $"Build a version with it; the configuration is in order (interface {options.Interface}).");
    }
}
