using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Diode.Tunnel.Platform.Network;

namespace Diode.Tunnel.Engine.PerimeterWireGuard;

/// <summary>
/// Which addresses and routes of a contract's WireGuard configuration this machine takes: the contract may add networks, it may not take over
/// what the machine sends otherwise. Whatever is doubtful is refused and named. Immutable and pure.
/// </summary>
internal sealed class RoutePlan
{
    // A contract that may route the internet in large pieces routes it all.
    private const int LeastPublicIpv4 = 16;
    private const int LeastPublicIpv6 = 32;

    // Table of the addresses of this machine itself.
    private const uint LocalTable = 255;

    private static readonly IPNetwork[] PrivateRanges =
    [
        IPNetwork.Parse("10.0.0.0/8"), IPNetwork.Parse("172.16.0.0/12"), IPNetwork.Parse("192.168.0.0/16"), IPNetwork.Parse("100.64.0.0/10"),
        IPNetwork.Parse("fc00::/7"),
    ];

    private static readonly (IPNetwork Range, string What)[] SpecialRanges =
    [
        (IPNetwork.Parse("0.0.0.0/8"), "this machine"), (IPNetwork.Parse("127.0.0.0/8"), "loopback"), (IPNetwork.Parse("169.254.0.0/16"), "link-local"),
        (IPNetwork.Parse("224.0.0.0/4"), "multicast"), (IPNetwork.Parse("240.0.0.0/4"), "reserved addresses"),
        (IPNetwork.Parse("::/8"), "loopback"), (IPNetwork.Parse("fe80::/10"), "link-local"), (IPNetwork.Parse("ff00::/8"), "multicast"),
    ];

    private readonly Dictionary<IPNetwork, string?> _refusals = [];

    private RoutePlan()
    {
    }

    /// <summary>Addresses of the interface.</summary>
    public ImmutableArray<IPAddress> Addresses { get; private set; } = [];

    /// <summary>Networks that lead to the interface, without repetitions.</summary>
    public ImmutableArray<IPNetwork> Routes { get; private set; } = [];

    /// <summary>What was refused and why.</summary>
    public ImmutableArray<string> Warnings { get; private set; } = [];

    /// <summary>Decides.</summary>
    /// <param name="config">What the contract says.</param>
    /// <param name="machine">What this machine has, other adapters of this program left out.</param>
    /// <param name="own">The interface's own name: what is there because of it does not count.</param>
    /// <param name="mesh">Virtual ranges of the mesh.</param>
    /// <param name="needed">Addresses this machine has to reach as it does now (relays, endpoints, resolvers), and what they are.</param>
    public static RoutePlan Make(
        WgQuickConfig config, NetworkSnapshot machine, string own, IReadOnlyCollection<IPNetwork> mesh, IReadOnlyCollection<(IPAddress Address, string What)> needed)
    {
        var plan = new RoutePlan();
        int index = machine.Interfaces.FirstOrDefault(i => i.Name == own)?.Index ?? -1;
        RouteSnapshot[] routes = [.. machine.Routes.Where(r => r.InterfaceIndex != index && r.Table != LocalTable && r.Type is not null && r.Destination.PrefixLength > 0)];
        (IPAddress Address, string What)[] all =
        [
            .. needed, .. machine.Routes.Where(r => r.InterfaceIndex != index).Select(static r => r.Gateway).OfType<IPAddress>().Distinct().Select(static g => (g, $"the gateway {g}")),
        ];
        var warnings = new List<string>();
        HashSet<IPAddress> others = [.. machine.Interfaces.Where(i => i.Name != own).SelectMany(static i => i.Addresses).Select(static a => a.Address)];
        var addresses = new List<IPAddress>();
        var wanted = new List<IPNetwork>();
        for (int i = 0; i < config.Addresses.Length; i++)
        {
            IPAddress address = config.Addresses[i];
            string? refusal = others.Contains(address) ? "this machine has it already"
                : all.FirstOrDefault(n => n.Address.Equals(address)).What is { } what ? $"it is the address of {what}"
                : RefusalOfRange(new IPNetwork(address, BitsOf(address)), mesh);
            if (refusal is not null)
            {
                warnings.Add($"the address {address} is not taken: {refusal}");
                continue;
            }

            addresses.Add(address);
            if (config.Networks[i].PrefixLength < BitsOf(address))
            {
                wanted.Add(config.Networks[i]);
            }
        }

        foreach (IPNetwork network in wanted.Concat(config.Peers.SelectMany(static p => p.AllowedIps)).Distinct())
        {
            string? refusal = RefusalOfRange(network, mesh) ?? RefusalOfRoute(network, routes, all);
            plan._refusals[network] = refusal;
            if (refusal is not null)
            {
                warnings.Add($"{network} is not routed: {refusal}");
            }
        }

        plan.Addresses = [.. addresses];
        plan.Routes = [.. plan._refusals.Where(static r => r.Value is null).Select(static r => r.Key)];
        plan.Warnings = [.. warnings];
        return plan;
    }

    /// <summary>The networks of a peer that count: others are neither routed to it nor accepted from it.</summary>
    public ImmutableArray<IPNetwork> Accepted(WgQuickPeer peer) => [.. peer.AllowedIps.Where(n => _refusals.GetValueOrDefault(n, "") is null)];

    /// <summary>Why an ordinary endpoint is not used; null if it is.</summary>
    public static string? RefusalOfEndpoint(IPAddress address, IReadOnlyCollection<IPNetwork> mesh) =>
        SpecialRanges.FirstOrDefault(s => s.Range.Contains(address)).What is { } what ? $"{address} is {what}"
        : mesh.Any(m => m.Contains(address)) ? $"{address} is a virtual address of the mesh"
        : null;

    private static string? RefusalOfRange(IPNetwork network, IReadOnlyCollection<IPNetwork> mesh)
    {
        if (network.PrefixLength == 0)
        {
            return "it is all traffic, and that is not a contract's to take";
        }

        if (mesh.Any(m => Overlap(m, network)))
        {
            return "it overlaps the virtual addresses of the mesh";
        }

        if (SpecialRanges.FirstOrDefault(s => Overlap(s.Range, network)).What is { } special)
        {
            return $"it overlaps {special}";
        }

        int least = network.BaseAddress.AddressFamily == AddressFamily.InterNetwork ? LeastPublicIpv4 : LeastPublicIpv6;
        return network.PrefixLength < least && !PrivateRanges.Any(p => p.PrefixLength <= network.PrefixLength && Contains(p, network.BaseAddress))
            ? $"it is too much of the internet, at most a /{least}"
            : null;
    }

    private static string? RefusalOfRoute(IPNetwork network, RouteSnapshot[] routes, (IPAddress Address, string What)[] needed)
    {
        foreach (RouteSnapshot route in routes)
        {
            if (route.Destination.PrefixLength <= network.PrefixLength && Contains(route.Destination, network.BaseAddress))
            {
                return route.Destination.PrefixLength == network.PrefixLength
                    ? "this machine has a route of its own to it"
                    : $"it is part of {route.Destination}, to which this machine has a route of its own";
            }
        }

        // What has a longer route keeps it.
        foreach ((IPAddress address, string what) in needed)
        {
            if (Contains(network, address) && !routes.Any(r => r.Destination.PrefixLength > network.PrefixLength && Contains(r.Destination, address)))
            {
                return $"the way to {what} would lead into it";
            }
        }

        return null;
    }

    private static bool Overlap(IPNetwork one, IPNetwork other) => Contains(one, other.BaseAddress) || Contains(other, one.BaseAddress);

    private static bool Contains(IPNetwork network, IPAddress address) =>
        network.BaseAddress.AddressFamily == address.AddressFamily && network.Contains(address);

    private static int BitsOf(IPAddress address) => address.AddressFamily == AddressFamily.InterNetwork ? 32 : 128;
}
