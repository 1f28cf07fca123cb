using System.Net;
using System.Net.Sockets;
using Diode.Tunnel.Engine.ControlChannel;
using Diode.Tunnel.Engine.Peers;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Network;
using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.Engine.Exits;

/// <summary>
/// This device as an exit for fleet members: NAT into the internet, private ranges refused, clients isolated. Grants are asked for and
/// given over the control channel; the packet path reads <see cref="TunnelPeer.IsExitClient"/>. Engine loop only.
/// </summary>
internal sealed class ExitServer(SystemChanges changes, ILogger logger)
{
    private const string Scope = "exit-server";
    private const string AcceptRaForRouters = "2";

    private readonly HashSet<TunnelPeer> _clients = [];

    /// <summary>What is offered; null if nothing.</summary>
    public ExitOfferPart? Offer { get; private set; }

    /// <summary>Devices using the exit now.</summary>
    public int ClientCount => _clients.Count;

    /// <summary>Opens the exit.</summary>
    /// <exception cref="TunnelException">This machine has no way to the internet.</exception>
    /// <exception cref="PlatformException">The system refused; nothing stays half-configured.</exception>
    public void Open(string region, bool ipv4, bool ipv6, string adapterName, IReadOnlyList<IPAddress> virtualAddresses)
    {
        NetworkSnapshot network = ReadNetwork();
        string? egress4 = !ipv4 ? null : DefaultEgress(network, AddressFamily.InterNetwork, adapterName);
        string? egress6 = !ipv6 ? null : DefaultEgress(network, AddressFamily.InterNetworkV6, adapterName);
        if (egress4 is null && egress6 is null)
        {
            throw new TunnelException(
                "This machine has no default route, so it cannot be an exit.", "Check: ip route show default", "UNAVAILABLE");
        }

        IPNetwork[] ownAddresses = [.. network.Interfaces
            .SelectMany(static i => i.Addresses)
            .Select(static a => new IPNetwork(a.Address, a.Address.AddressFamily == AddressFamily.InterNetwork ? 32 : 128))
            .Distinct()];
        try
        {
            // The rules stand before anything is forwarded.
            changes.Apply(Scope, FirewallExitRuleset.ToChange(new FirewallExitOptions
            {
                AdapterName = adapterName,
                EgressInterface = egress4 is not null && egress6 is not null && egress4 != egress6 ? null : egress4 ?? egress6,
                HasIpv6 = egress6 is not null,
                VirtualAddresses = virtualAddresses,
                TrustsPacketFilter = true,
                DeniedPrefixes = ownAddresses,
            }));
            if (egress4 is not null)
            {
                changes.Apply(Scope, new SysctlChange("net/ipv4/ip_forward", "1"));
            }

            if (egress6 is not null)
            {
                // A router ignores router advertisements unless told otherwise; the uplink may live on them.
                changes.Apply(Scope, new SysctlChange($"net/ipv6/conf/{egress6}/accept_ra", AcceptRaForRouters));
                changes.Apply(Scope, new SysctlChange("net/ipv6/conf/all/forwarding", "1"));
            }
        }
        catch (PlatformException)
        {
            changes.Undo(Scope);
            throw;
        }

        Offer = new ExitOfferPart(region, egress4 is not null, egress6 is not null);
        Log.ExitOpened(logger, region, egress4 ?? "-", egress6 ?? "-");
    }

    /// <summary>Closes the exit; clients are told and cut.</summary>
    public void Close(string reason)
    {
        if (Offer is null)
        {
            return;
        }

        Offer = null;
        foreach (TunnelPeer client in _clients)
        {
            client.IsExitClient = false;
            PeerMesh.Send(client, new ControlMessage { Type = ControlMessage.ExitRevoke, Reason = reason });
        }

        _clients.Clear();
        changes.Undo(Scope);
    }

    /// <summary>Answers a request: every fleet member may use the exit while it is offered.</summary>
    public void HandleRequest(TunnelPeer peer, IReadOnlyList<string> resolvers)
    {
        if (Offer is not { } offer)
        {
            PeerMesh.Send(peer, new ControlMessage { Type = ControlMessage.ExitRefuse, Reason = "this device offers no exit" });
            return;
        }

        peer.IsExitClient = true;
        _clients.Add(peer);
        PeerMesh.Send(peer, new ControlMessage
        {
            Type = ControlMessage.ExitGrant,
            Ipv4 = offer.Ipv4,
            Ipv6 = offer.Ipv6,
            Resolvers = resolvers,
        });
    }

    /// <summary>A client is done or gone.</summary>
    public void Release(TunnelPeer peer)
    {
        peer.IsExitClient = false;
        _clients.Remove(peer);
    }

    private static NetworkSnapshot ReadNetwork()
    {
        return OperatingSystem.IsLinux()
            ? NetworkSnapshot.Read()
            : throw new TunnelException("Being an exit is implemented for Linux only in this version.");
    }

    private static string? DefaultEgress(NetworkSnapshot network, AddressFamily family, string adapterName)
    {
        RouteSnapshot? route = network.Routes
            .Where(r => r.Table == RouteChange.MainTable
                && r.Destination.PrefixLength == 0
                && r.Destination.BaseAddress.AddressFamily == family
                && r.Type == RouteType.Unicast)
            .OrderBy(static r => r.Metric)
            .FirstOrDefault();
        string? name = network.Interfaces.FirstOrDefault(i => i.Index == route?.InterfaceIndex)?.Name;
        return name == adapterName ? null : name;
    }
}
