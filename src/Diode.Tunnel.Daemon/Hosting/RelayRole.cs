using Diode.Tunnel.Daemon.Configuration;

namespace Diode.Tunnel.Daemon.Hosting;

/// <summary>The relay role: <c>diode-tunneld relay</c>, or the program called by the name <c>diode-relay</c>.</summary>
internal static class RelayRole
{
    /// <summary>Runs until told to stop; returns the exit code.</summary>
    /// <exception cref="StartupException">The relay cannot run.</exception>
    internal static Task<int> RunAsync(RelayRoleOptions options)
    {
        throw new StartupException(
            DaemonExitCodes.Unavailable,
            "The relay is not part of this build.",
            $"Build a version with it; the configuration is in order (listen {string.Join(", ", options.Listen)}).");
    }
}
