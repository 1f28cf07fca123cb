namespace Diode.Tunnel.Platform.Tun.Offload;

/// <summary>Work that adapter and system do on many packets at once.</summary>
[Flags]
public enum TunOffloads
{
    /// <summary>One packet at a time, complete, never over the MTU.</summary>
    None = 0,

    /// <summary>Reads return TCP super-packets (TSO).</summary>
    TcpSegmentation = 1,

    /// <summary>Reads return UDP super-packets (USO).</summary>
    UdpSegmentation = 2,

    /// <summary>Writers merge consecutive packets of a TCP connection (GRO).</summary>
    ReceiveMerge = 4,

    /// <summary>Writers merge consecutive UDP packets of equal size between the same ports (GRO).</summary>
    ReceiveMergeUdp = 8,

    /// <summary>All of them.</summary>
    All = TcpSegmentation | UdpSegmentation | ReceiveMerge | ReceiveMergeUdp,
}
