using System.Net;

namespace Diode.Tunnel.Platform.Network;

/// <summary>What an exit lets its clients do.</summary>
public sealed record FirewallExitOptions
{
    /// <summary>The adapter clients come from.</summary>
    public required string AdapterName { get; init; }

    /// <summary>The only interface to the internet; null allows every one but the adapter.</summary>
    public string? EgressInterface { get; init; }

    /// <summary>Whether clients may use IPv6. Default false: it is refused at once, so that they fall back to IPv4.</summary>
    public bool HasIpv6 { get; init; }

    /// <summary>This machine's virtual addresses.</summary>
    public IReadOnlyList<IPAddress> VirtualAddresses { get; init; } = [];

    /// <summary>UDP and TCP ports on the virtual addresses that clients may use. Default 53: the exit's resolver.</summary>
    public IReadOnlyList<int> LocalPorts { get; init; } = [53];

    /// <summary>
    /// True if everything that reaches a virtual address was judged by the packet filter before it came out of the
    /// adapter (a fleet member that publishes ports and is an exit too). Default false.
    /// </summary>
    public bool TrustsPacketFilter { get; init; }

    /// <summary>Further destinations clients must not reach.</summary>
    public IReadOnlyList<IPNetwork> DeniedPrefixes { get; init; } = [];

    /// <summary>TCP ports in the internet that clients must not reach. Default 25, to keep mail spam out.</summary>
    public IReadOnlyList<int> DeniedTcpPorts { get; init; } = [25];
}
