namespace Diode.Tunnel.Edge.Sessions;

/// <summary>What the relay did with the data of a <c>portsend</c>.</summary>
public enum PortSendStatus
{
    /// <summary>Delivered, or dropped because the sender may not write: both are answered <c>ok</c>.</summary>
    Accepted,

    /// <summary>The session has no open port with that ref.</summary>
    NoPort,

    /// <summary>The receiver has no room; the waiter of the sender is registered.</summary>
    Blocked,
}
