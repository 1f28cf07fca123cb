using System.Net;
using System.Net.Sockets;
using Diode.Tunnel.Engine.Packets;

namespace Diode.Tunnel.Engine.Addressing;

/// <summary>A local IPv4 route as a range of numbers.</summary>
internal readonly record struct Ipv4Range(uint First, uint Last)
{
    /// <summary>False for IPv6 and for routes too short to be in the way.</summary>
    public static bool TryCreate(in IPNetwork route, out Ipv4Range range)
    {
        range = default;
        if (route.BaseAddress.AddressFamily != AddressFamily.InterNetwork
            || route.PrefixLength < AddressPool.ShortestConflictingPrefix)
        {
            return false;
        }

        uint first = PacketAddress.From(route.BaseAddress).Ipv4;
        range = new Ipv4Range(first, first | (uint)(0xFFFF_FFFFUL >> route.PrefixLength));
        return true;
    }

    public bool Contains(uint address)
    {
        return address >= First && address <= Last;
    }

    public bool Overlaps(uint first, uint last)
    {
        return First <= last && first <= Last;
    }
}
