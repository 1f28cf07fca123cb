namespace Diode.Tunnel.Engine.Packets;

/// <summary>Why a packet can't be delivered, as an ICMP "destination unreachable" says it.</summary>
public enum UnreachableReason
{
    /// <summary>No route to the destination.</summary>
    NoRoute,

    /// <summary>The host does not answer (no path to the peer).</summary>
    Host,

    /// <summary>Nothing listens on the port.</summary>
    Port,

    /// <summary>Policy forbids it.</summary>
    AdministrativelyProhibited,
}
