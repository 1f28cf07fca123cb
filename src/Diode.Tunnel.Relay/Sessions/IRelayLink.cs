using Diode.Tunnel.Edge.Sessions;

namespace Diode.Tunnel.Relay.Sessions;

/// <summary>The connection that carries a session.</summary>
internal interface IRelayLink : IFrameOutboxOwner, IFrameOutboxWaiter
{
    /// <summary>IP address of the device, as text.</summary>
    string PeerHost { get; }

    /// <summary>What the sessions from that address share.</summary>
    AddressBudget AddressBudget { get; }

    /// <summary>The device has come back on another connection: if nobody is at the end of this one any more, it ends within seconds.</summary>
    void CheckAlive();

    /// <summary>Ends the session; the first reason counts. Any thread; must only schedule the work.</summary>
    void Close(CloseReason reason);
}
