namespace Diode.Tunnel.WireGuard;

/// <summary>A packet that was taken out of a train, by <see cref="WireGuardInterface"/>.</summary>
/// <param name="Peer">The sender.</param>
/// <param name="Offset">Start of the packet in the train.</param>
/// <param name="Length">Its length.</param>
public readonly record struct ReceivedPacket(Peer Peer, int Offset, int Length);
