namespace Diode.Tunnel.Engine.Packets;

/// <summary>IANA protocol numbers (IPv4 "protocol", IPv6 "next header") that the engine knows by name.</summary>
public static class IpProtocol
{
    /// <summary>ICMP for IPv4.</summary>
    public const byte Icmp = 1;

    /// <summary>TCP.</summary>
    public const byte Tcp = 6;

    /// <summary>UDP.</summary>
    public const byte Udp = 17;

    /// <summary>ICMP for IPv6.</summary>
    public const byte IcmpV6 = 58;

    /// <summary>IPv6: nothing follows.</summary>
    public const byte NoNextHeader = 59;

    internal const byte HopByHop = 0;
    internal const byte Routing = 43;
    internal const byte Fragment = 44;
    internal const byte DestinationOptions = 60;
}
