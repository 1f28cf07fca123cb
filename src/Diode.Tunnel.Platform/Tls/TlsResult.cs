namespace Diode.Tunnel.Platform.Tls;

/// <summary>Outcome of one call to a <see cref="TlsEngine"/>.</summary>
public enum TlsResult
{
    /// <summary>Everything given was consumed; more may come.</summary>
    Ok,

    /// <summary>The connection was closed by a close_notify alert: the peer's (Receive) or ours (Send).</summary>
    Closed,

    /// <summary>The connection is broken; <see cref="TlsEngine.Error"/> says why. Flush the output (an alert), then drop it.</summary>
    Failed,
}
