using Diode.Tunnel.Edge.Sessions;

namespace Diode.Tunnel.Relay.Sessions;

/// <summary>The connection that carries a session.</summary>
internal interface IRelayLink : IFrameOutboxOwner, IFrameOutboxWaiter
{
    /// <summary>Ends the session; the first reason counts. Any thread; must only schedule the work.</summary>
    void Close(CloseReason reason);
}
