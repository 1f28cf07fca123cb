namespace Diode.Tunnel.Relay.RelayPeers;

/// <summary>Makes connections to other relays.</summary>
internal interface IPeerDialer
{
    /// <summary>
    /// Begins to dial. A link that comes up reports itself by <see cref="PeerNetwork.OnReady"/>; everything else by
    /// <see cref="PeerNetwork.OnDialFailed"/>. Schedules only.
    /// </summary>
    void Dial(PeerTarget target);
}
