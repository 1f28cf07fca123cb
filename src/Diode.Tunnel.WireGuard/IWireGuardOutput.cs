namespace Diode.Tunnel.WireGuard;

/// <summary>
/// Where an interface puts what it sends by itself. Called from inside <see cref="WireGuardInterface"/> calls, on their
/// thread and mostly under the peer's lock: must not block, and must not call the interface for another peer.
/// </summary>
public interface IWireGuardOutput
{
    /// <summary>A handshake message, cookie reply, keepalive or formerly staged packet, to be sent.</summary>
    /// <param name="peer">Whom it is for; null for a cookie reply.</param>
    /// <param name="endpoint">The peer's endpoint, or the one a cookie reply answers; null if the peer has none yet.</param>
    /// <param name="datagram">Valid during the call only.</param>
    void Send(Peer? peer, object? endpoint, ReadOnlySpan<byte> datagram);

    /// <summary>A handshake is complete at this end: packets can be sealed with new keys. Also called at each rekey.</summary>
    void OnSessionEstablished(Peer peer);

    /// <summary>Nobody answered for 90 seconds; staged packets were dropped. The next packet begins anew.</summary>
    void OnHandshakeFailed(Peer peer);
}
