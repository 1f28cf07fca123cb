namespace Diode.Tunnel.Platform.Sockets;

/// <summary>What happens to datagrams that are longer than a path carries (ip(7) IP_MTU_DISCOVER).</summary>
public enum FragmentPolicy
{
    /// <summary>As the system is configured: usually fragmented by the sender once the path is known.</summary>
    System,

    /// <summary>May be fragmented anywhere.</summary>
    Fragment,

    /// <summary>Never fragmented; too long for what the system knows of the path is an error.</summary>
    Never,

    /// <summary>Never fragmented; only the MTU of the interface is an error, for those who measure paths themselves.</summary>
    Probe,
}
