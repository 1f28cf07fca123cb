using System.Net;
using System.Net.Sockets;
using System.Runtime.Versioning;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Network;

namespace Diode.Tunnel.Relay.WireGuardExit;

/// <summary>
/// What the exit changes on the system: address of the adapter, firewall with NAT, forwarding. All of it is journalled,
/// so that a stop, or the next start after a kill, takes it back. One caller at a time.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed class ExitNetwork(SystemChanges changes, WireGuardExitOptions options, IPNetwork pool, IPAddress gateway)
{
    /// <summary>Not the table of a device that is an exit on the same machine.</summary>
    public const string TableName = "diode_relay_exit";

    private const string Scope = "wireguard-exit";

    // Tried in this order: the first is what real relays use. None of the others is common in clouds or homes.
    private static readonly IPNetwork[] Pools =
    [
        IPNetwork.Parse("10.0.0.0/16"),
        IPNetwork.Parse("10.183.0.0/16"),
        IPNetwork.Parse("172.27.0.0/16"),
        IPNetwork.Parse("10.217.0.0/16"),
        IPNetwork.Parse("192.168.224.0/20"),
    ];

    private string _applied = "";

    /// <summary>Addresses of this machine as of the last <see cref="Refresh"/>.</summary>
    public IReadOnlyList<IPAddress> OwnAddresses { get; private set; } = [];

    /// <summary>The network for clients: the operator's, that of the last time, or the first that is free.</summary>
    /// <exception cref="PlatformException">It is in use on this machine.</exception>
    public static IPNetwork ChoosePool(IPNetwork? wanted, IPNetwork? last)
    {
        NetworkSnapshot network = NetworkSnapshot.Read();
        if (wanted is { } chosen)
        {
            return IsFree(network, chosen)
                ? chosen
                : throw new PlatformException(
                    $"The network {chosen} for WireGuard clients is in use on this machine",
                    hint: "choose another with --wireguard-pool");
        }

        IEnumerable<IPNetwork> candidates = last is { } before && Pools.Contains(before) ? Pools.Prepend(before) : Pools;
        foreach (IPNetwork candidate in candidates)
        {
            if (IsFree(network, candidate))
            {
                return candidate;
            }
        }

        throw new PlatformException(
            "No network for WireGuard clients is free on this machine", hint: "choose one with --wireguard-pool");
    }

    /// <summary>
    /// Sets up the adapter, and firewall and NAT for the present way to the internet; again whenever that may have changed.
    /// </summary>
    /// <returns>Null when all is in order, otherwise what is missing.</returns>
    /// <exception cref="PlatformException">The system refused.</exception>
    public string? Refresh(string adapter)
    {
        NetworkSnapshot network = NetworkSnapshot.Read();
        OwnAddresses = [.. network.Interfaces.SelectMany(static i => i.Addresses).Select(static a => a.Address)];
        if (DefaultEgress(network, adapter) is not string egress)
        {
            return "this machine has no default route (check: ip route show default)";
        }

        string wanted = $"{egress} {string.Join(' ', OwnAddresses.Select(static a => a.ToString()).Order(StringComparer.Ordinal))}";
        bool isUp = network.Interfaces.Any(i => i.Name == adapter && i.IsUp);
        if (wanted == _applied && isUp)
        {
            return null;
        }

        // The rules stand before anything is forwarded.
        changes.Apply(Scope, new TableChange("inet", TableName, FirewallExitRuleset.Build(new FirewallExitOptions
        {
            AdapterName = adapter,
            EgressInterface = egress,
            HasIpv6 = false,
            VirtualAddresses = [gateway],
            LocalPorts = [],
            DeniedPrefixes = [pool, .. OwnAddresses
                .Where(own => !pool.Contains(own))
                .Select(static own => new IPNetwork(own, own.AddressFamily == AddressFamily.InterNetwork ? 32 : 128))
                .Distinct()],
        })));
        changes.Apply(Scope, new AddressChange(adapter, gateway, pool.PrefixLength));
        changes.Apply(Scope, new LinkChange(adapter, options.Mtu, IsUp: true));
        changes.Apply(Scope, new SysctlChange("net/ipv4/ip_forward", "1"));
        _applied = wanted;
        return null;
    }

    /// <summary>Takes everything back.</summary>
    /// <exception cref="PlatformException">Not all of it could be; the next start tries again.</exception>
    public void TakeDown()
    {
        _applied = "";
        changes.Undo(Scope);
    }

    private static bool IsFree(NetworkSnapshot network, IPNetwork pool)
    {
        return network.FindOverlaps(pool).Count == 0;
    }

    private static string? DefaultEgress(NetworkSnapshot network, string adapter)
    {
        RouteSnapshot? route = network.Routes
            .Where(static r => r.Table == RouteChange.MainTable
                && r.Destination.PrefixLength == 0
                && r.Destination.BaseAddress.AddressFamily == AddressFamily.InterNetwork
                && r.Type == RouteType.Unicast)
            .OrderBy(static r => r.Metric)
            .FirstOrDefault();
        string? name = network.Interfaces.FirstOrDefault(i => i.Index == route?.InterfaceIndex)?.Name;
        return name == adapter ? null : name;
    }
}
