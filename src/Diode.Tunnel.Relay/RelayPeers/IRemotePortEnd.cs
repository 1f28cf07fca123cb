using Diode.Tunnel.Edge.Sessions;

namespace Diode.Tunnel.Relay.RelayPeers;

/// <summary>
/// The end of a remote port that is on this relay, i.e. a device's session. Called without locks, by one thread at a
/// time and in order; spans are valid during the call.
/// </summary>
internal interface IRemotePortEnd
{
    /// <summary>The device at the other end agreed. Side of the opener only.</summary>
    void OnOpened(IRemotePort port);

    /// <summary>There will be no port. Side of the opener only; nothing follows.</summary>
    /// <param name="reason">Text for the opener, such as <c>not found</c> or the target's own.</param>
    void OnFailed(ReadOnlySpan<byte> reason);

    /// <summary>
    /// Data for the device. <see cref="PortSendStatus.Blocked"/>: it is offered again after
    /// <see cref="IFrameOutboxWaiter.OnOutboxRoom"/> of <paramref name="waiter"/>; <see cref="PortSendStatus.NoPort"/>
    /// ends the port.
    /// </summary>
    PortSendStatus OnData(ReadOnlySpan<byte> data, IFrameOutboxWaiter waiter, long nowMs);

    /// <summary>The other end closed the port, or the link to its relay is down; nothing follows.</summary>
    void OnClosed();
}
