namespace Diode.Tunnel.WireGuard;

/// <summary>What became of a packet given to <see cref="WireGuardInterface.Seal"/>.</summary>
public enum SealStatus
{
    /// <summary>The datagram is in the buffer, to be sent to the peer.</summary>
    Sealed,

    /// <summary>No session yet: the packet was copied and follows through <see cref="IWireGuardOutput"/> after the handshake.</summary>
    Staged,

    /// <summary>The packet is lost.</summary>
    Dropped,
}

/// <summary>Result of <see cref="WireGuardInterface.Seal"/>.</summary>
/// <param name="Status">What became of the packet.</param>
/// <param name="Reason">Set if it was dropped.</param>
public readonly record struct SealResult(SealStatus Status, DropReason Reason = DropReason.None);
