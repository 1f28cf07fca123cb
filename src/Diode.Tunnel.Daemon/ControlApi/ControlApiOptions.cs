namespace Diode.Tunnel.Daemon.ControlApi;

/// <summary>What the control API needs to know.</summary>
/// <param name="SocketPath">File name of the Unix socket.</param>
/// <param name="Access">Who may change things.</param>
public sealed record ControlApiOptions(string SocketPath, AccessPolicy Access)
{
    /// <summary>Largest request body in bytes; a manifest of some ten thousand members fits.</summary>
    public int MaxRequestBytes { get; init; } = 4 * 1024 * 1024;

    /// <summary>Most connections one user without write access may hold, so that nobody can lock the others out.</summary>
    public int MaxConnectionsPerReader { get; init; } = 32;
}
