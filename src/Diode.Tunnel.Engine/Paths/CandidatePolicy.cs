using System.Net;
using Diode.Tunnel.Engine.Addressing;
using Diode.Tunnel.Engine.Packets;
using Diode.Tunnel.Platform.Sockets;

namespace Diode.Tunnel.Engine.Paths;

/// <summary>Which addresses may be tried, and which are told to peers. Pure.</summary>
internal static class CandidatePolicy
{
    /// <summary>Most addresses taken from a peer, and told to one.</summary>
    public const int MaxCandidates = 16;

    private const uint LinkLocalIpv4 = 0xA9FE;

    /// <summary>
    /// Whether an address is one host that can be reached from outside itself and outside the tunnel: no loopback, multicast or
    /// link-local one (it means nothing without its interface), none of the virtual addresses.
    /// </summary>
    public static bool IsUsable(in EndpointAddress endpoint, AddressPool pool)
    {
        Span<byte> bytes = stackalloc byte[16];
        return endpoint.Port != 0
            && PacketAddress.TryRead(bytes[..endpoint.CopyAddressTo(bytes)], out PacketAddress address)
            && !address.IsMulticastOrBroadcast
            && !address.IsUnspecifiedOrLoopback
            && !(address.IsIpv4 ? address.Ipv4 >> 16 == LinkLocalIpv4 || address.Ipv4 >> 28 == 0xF : address.High >> 54 == 0xFE80 >> 6)
            && !pool.Contains(address)
            && !VirtualAddresses.IsInIpv6Prefix(address);
    }

    /// <summary>Reads what a peer sent; what is not usable is left out.</summary>
    public static List<EndpointAddress> Read(IReadOnlyList<string>? texts, AddressPool pool)
    {
        List<EndpointAddress> candidates = [];
        foreach (string text in texts ?? [])
        {
            if (candidates.Count < MaxCandidates
                && text.Length <= 64
                && EndpointAddress.TryParse(text, out EndpointAddress endpoint)
                && endpoint.Scope == 0
                && IsUsable(endpoint, pool)
                && !candidates.Contains(endpoint))
            {
                candidates.Add(endpoint);
            }
        }

        return candidates;
    }

    /// <summary>The candidates of this device's own addresses, IPv4 first.</summary>
    /// <param name="addresses">Addresses of its interfaces but the tunnel's.</param>
    /// <param name="port">UDP port for IPv4.</param>
    /// <param name="portIpv6">UDP port for IPv6; 0 without.</param>
    /// <param name="pool">The virtual addresses.</param>
    public static List<EndpointAddress> FromLocal(IEnumerable<IPAddress> addresses, int port, int portIpv6, AddressPool pool)
    {
        List<EndpointAddress> candidates = [];
        foreach (IPAddress address in addresses.OrderBy(static a => a.AddressFamily))
        {
            bool isIpv4 = address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork;
            if (EndpointAddress.TryFrom(new IPEndPoint(address, isIpv4 ? port : portIpv6), out EndpointAddress endpoint)
                && endpoint.Scope == 0
                && IsUsable(endpoint, pool)
                && !candidates.Contains(endpoint)
                && candidates.Count < MaxCandidates)
            {
                candidates.Add(endpoint);
            }
        }

        return candidates;
    }
}
