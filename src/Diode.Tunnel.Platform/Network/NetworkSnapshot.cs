using System.Net;
using System.Runtime.Versioning;

namespace Diode.Tunnel.Platform.Network;

/// <summary>An address of an interface.</summary>
/// <param name="Address">The address.</param>
/// <param name="PrefixLength">Length of its on-link prefix.</param>
public sealed record AddressSnapshot(IPAddress Address, int PrefixLength);

/// <summary>A network interface.</summary>
/// <param name="Index">Number of the interface.</param>
/// <param name="Name">Name of the interface.</param>
/// <param name="Mtu">MTU in bytes.</param>
/// <param name="IsUp">Whether it is administratively up.</param>
/// <param name="IsLoopback">Whether it is the loopback interface.</param>
/// <param name="Addresses">Its addresses, both families.</param>
public sealed record InterfaceSnapshot(
    int Index, string Name, int Mtu, bool IsUp, bool IsLoopback, IReadOnlyList<AddressSnapshot> Addresses);

/// <summary>A route.</summary>
/// <param name="Destination">The prefix.</param>
/// <param name="Gateway">Next hop; null if on-link.</param>
/// <param name="InterfaceIndex">Outgoing interface; 0 if none or several.</param>
/// <param name="Table">Routing table.</param>
/// <param name="Metric">Priority, lower wins.</param>
/// <param name="Type">What it does; null for kinds the product does not make (local, broadcast, …).</param>
public sealed record RouteSnapshot(
    IPNetwork Destination, IPAddress? Gateway, int InterfaceIndex, uint Table, uint Metric, RouteType? Type);

/// <summary>The network configuration of the calling thread's network namespace at one moment. Immutable.</summary>
/// <param name="Interfaces">All interfaces with their addresses.</param>
/// <param name="Routes">All routes of all tables, both families.</param>
/// <param name="Rules">All policy rules, both families, without fields the product does not use.</param>
public sealed record NetworkSnapshot(
    IReadOnlyList<InterfaceSnapshot> Interfaces, IReadOnlyList<RouteSnapshot> Routes, IReadOnlyList<RuleChange> Rules)
{
    /// <summary>Reads the configuration.</summary>
    /// <exception cref="PlatformException">The kernel refused to tell.</exception>
    [SupportedOSPlatform("linux")]
    public static NetworkSnapshot Read() =>
        new(RtNetlinkQuery.ReadInterfaces(), RtNetlinkQuery.ReadRoutes(), RtNetlinkQuery.ReadRules());

    /// <summary>Reads the interfaces only.</summary>
    /// <exception cref="PlatformException">The kernel refused to tell.</exception>
    [SupportedOSPlatform("linux")]
    public static IReadOnlyList<InterfaceSnapshot> ReadInterfaces() => RtNetlinkQuery.ReadInterfaces();

    /// <summary>
    /// The routes other than default routes that share addresses with <paramref name="prefix"/>: who takes the prefix
    /// into use would cut them off, or be cut off by them.
    /// </summary>
    /// <param name="prefix">The prefix about to be used.</param>
    /// <param name="exceptInterfaceIndex">An interface whose routes do not count (our own adapter).</param>
    public IReadOnlyList<RouteSnapshot> FindOverlaps(IPNetwork prefix, int exceptInterfaceIndex = 0)
    {
        List<RouteSnapshot> overlaps = [];
        foreach (RouteSnapshot route in Routes)
        {
            if (route.Destination.PrefixLength > 0
                && (exceptInterfaceIndex == 0 || route.InterfaceIndex != exceptInterfaceIndex)
                && route.Destination.BaseAddress.AddressFamily == prefix.BaseAddress.AddressFamily
                && (route.Destination.Contains(prefix.BaseAddress) || prefix.Contains(route.Destination.BaseAddress)))
            {
                overlaps.Add(route);
            }
        }

        return overlaps;
    }
}
