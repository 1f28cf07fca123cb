using Microsoft.Extensions.Hosting;

namespace Diode.Tunnel.Daemon.Hosting;

/// <summary>
/// How a running part ends the daemon for a reason a person must read: the host stops in order (system changes are
/// undone), the reason is printed as at start-up and becomes the exit code. The first reason wins. Thread-safe.
/// </summary>
/// <param name="lifetime">The host to stop.</param>
public sealed class FatalStop(IHostApplicationLifetime lifetime)
{
    private StartupException? _reason;

    /// <summary>The reason, or null while there is none.</summary>
    public StartupException? Reason => Volatile.Read(ref _reason);

    /// <summary>Stops the daemon.</summary>
    public void Stop(StartupException reason)
    {
        ArgumentNullException.ThrowIfNull(reason);
        if (Interlocked.CompareExchange(ref _reason, reason, null) is null)
        {
            lifetime.StopApplication();
        }
    }
}
