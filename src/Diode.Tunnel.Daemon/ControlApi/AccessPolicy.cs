using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Daemon.ControlApi;

/// <summary>Who may change things: root, the daemon's own user and the operator. Everybody else may look.</summary>
/// <param name="DaemonUid">User id the daemon runs as.</param>
/// <param name="OperatorUid">The configured operator, or null.</param>
public sealed record AccessPolicy(uint DaemonUid, uint? OperatorUid)
{
    /// <summary>What a caller with this user id may do.</summary>
    public AccessLevel For(uint uid) =>
        uid == 0 || uid == DaemonUid || uid == OperatorUid ? AccessLevel.ReadWrite : AccessLevel.ReadOnly;
}
