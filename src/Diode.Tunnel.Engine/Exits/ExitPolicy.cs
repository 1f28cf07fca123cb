using Diode.Tunnel.Engine.Packets;
using Diode.Tunnel.Platform.Network;

namespace Diode.Tunnel.Engine.Exits;

/// <summary>
/// What a client may reach through this device's exit: public addresses only. nftables refuses the same ranges again, so that
/// neither alone is trusted. Sources: RFC 6890 special-purpose registries.
/// </summary>
internal static class ExitPolicy
{
    private const ushort DnsPort = 53;

    // 198.18.0.0/15 (benchmarking) is not among them: it is nobody's LAN.
    private static readonly (uint Network, uint Mask)[] RefusedIpv4 = [.. FirewallPrefixes.DeniedIpv4.Select(static network =>
        (PacketAddress.From(network.BaseAddress).Ipv4, uint.MaxValue << (32 - network.PrefixLength)))];

    // 6to4 carries an IPv4 address that nobody checked (RFC 3056).
    private const ulong SixToFour = 0x2002;

    /// <summary>True if a client may reach this address through the exit.</summary>
    public static bool IsPublic(in PacketAddress address)
    {
        if (!address.IsIpv4)
        {
            // Global unicast is 2000::/3; everything else is local, private, multicast or reserved (RFC 4291 §2.4).
            return address.High >> 61 == 1 && address.High >> 48 != SixToFour;
        }

        foreach ((uint network, uint mask) in RefusedIpv4)
        {
            if ((address.Ipv4 & mask) == network)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>A question to the resolver that this exit runs for its clients.</summary>
    public static bool IsResolverQuery(in IpPacket packet)
    {
        return packet is { HasPorts: true, DestinationPort: DnsPort, Protocol: IpProtocol.Udp or IpProtocol.Tcp };
    }
}
