namespace Diode.Tunnel.WireGuard;

/// <summary>What a received datagram was.</summary>
public enum ReceiveStatus
{
    /// <summary>An inner packet, in the buffer, to be delivered.</summary>
    Packet,

    /// <summary>An authenticated empty packet.</summary>
    Keepalive,

    /// <summary>A handshake or cookie message, taken in.</summary>
    Handled,

    /// <summary>Nothing to deliver.</summary>
    Dropped,
}

/// <summary>Result of <see cref="WireGuardInterface.Receive"/>.</summary>
/// <param name="Status">What it was.</param>
/// <param name="Reason">Set if it was dropped.</param>
public readonly record struct ReceiveResult(ReceiveStatus Status, DropReason Reason = DropReason.None);
