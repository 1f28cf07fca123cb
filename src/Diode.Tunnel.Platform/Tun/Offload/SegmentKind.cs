namespace Diode.Tunnel.Platform.Tun.Offload;

/// <summary>What a packet of an adapter is cut into.</summary>
public enum SegmentKind : byte
{
    /// <summary>An ordinary, complete packet.</summary>
    None,

    /// <summary>A TCP super-packet in IPv4.</summary>
    TcpIpv4,

    /// <summary>A TCP super-packet in IPv6.</summary>
    TcpIpv6,

    /// <summary>Several UDP datagrams behind one header, in IPv4 or IPv6.</summary>
    Udp,
}
