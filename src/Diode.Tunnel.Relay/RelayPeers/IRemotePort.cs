using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Relay.RelayPeers;

/// <summary>
/// A port on a link to another relay, seen from this side of the link. Thread-safe; may be called under locks: it takes
/// locks of its own only and never calls an <see cref="IRemotePortEnd"/> from inside a call.
/// </summary>
internal interface IRemotePort
{
    /// <summary>The relay at the other end of the link.</summary>
    Address Relay { get; }

    /// <summary>The device agreed. Side of the target, once.</summary>
    void Confirm();

    /// <summary>The device refused or did not answer: the port is over. Side of the target, instead of <see cref="Confirm"/>.</summary>
    void Refuse(ReadOnlySpan<byte> reason);

    /// <summary>
    /// Sends data to the other end. <see cref="PortSendStatus.Blocked"/>: nothing was taken, <paramref name="sender"/> is
    /// called when there is room. <see cref="PortSendStatus.NoPort"/>: the port is over.
    /// </summary>
    PortSendStatus Send(ReadOnlySpan<byte> data, IFrameOutboxWaiter sender, long nowMs);

    /// <summary>Ends the port; the other end is told. Harmless when it is over.</summary>
    void Close();
}
