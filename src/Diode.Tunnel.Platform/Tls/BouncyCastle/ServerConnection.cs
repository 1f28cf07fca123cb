using Org.BouncyCastle.Crypto.Tls;

namespace Diode.Tunnel.Platform.Tls.BouncyCastle;

/// <summary>The library's server with closing in one direction at a time; on its own it would close both at once.</summary>
internal sealed class ServerConnection() : TlsServerProtocol(SystemRandom.Shared), IConnection
{
    public bool IsComplete { get; private set; }

    public bool IsResumed => false;

    public bool IsClosedByPeer { get; private set; }

    public void SendCloseNotify() => RaiseAlertWarning(AlertDescription.close_notify, "closed");

    protected override void CompleteHandshake()
    {
        base.CompleteHandshake();
        IsComplete = true;
    }

    protected override void HandleAlertWarningMessage(byte alertDescription)
    {
        if (alertDescription == AlertDescription.close_notify)
        {
            IsClosedByPeer = true;
        }
        else
        {
            base.HandleAlertWarningMessage(alertDescription);
        }
    }
}
