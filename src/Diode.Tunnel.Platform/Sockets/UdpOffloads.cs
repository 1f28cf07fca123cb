namespace Diode.Tunnel.Platform.Sockets;

/// <summary>Work the system does on many datagrams at once.</summary>
[Flags]
public enum UdpOffloads
{
    /// <summary>One datagram at a time.</summary>
    None = 0,

    /// <summary>A train leaves in one call and is cut by the system or the network card (UDP_SEGMENT, Linux 4.18).</summary>
    Segmentation = 1,

    /// <summary>Datagrams of equal size from one sender arrive as a train (UDP_GRO, Linux 5.12).</summary>
    Merge = 2,

    /// <summary>All of them.</summary>
    All = Segmentation | Merge,
}
