using System.Net;
using System.Net.Sockets;
using Diode.Tunnel.Engine.Addressing;
using Diode.Tunnel.Engine.Pipeline;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Network;

namespace Diode.Tunnel.Engine.Exits;

/// <summary>
/// The system side of using an exit: the kill switch and the policy routes. The kill switch goes on first and off last, and stays in
/// the kernel if this process dies. Routing: marked packets (the underlay) look into the main table, everything else into ours.
/// </summary>
internal sealed class ExitRouting(SystemChanges changes, AddressPool pool)
{
    /// <summary>Scope of the kill switch; kept over a crash.</summary>
    public const string GuardScope = "exit-guard";

    private const string RouteScope = "exit";
    private const uint Table = 0xd10d;
    private const uint MarkPriority = 5200;
    private const uint LanPriority = 5205;
    private const uint TablePriority = 5210;
    private const string LooseFilter = "2";

    private static readonly AddressFamily[] BothFamilies = [AddressFamily.InterNetwork, AddressFamily.InterNetworkV6];

    /// <summary>Name of the adapter and this device's virtual addresses; set when the adapter is up.</summary>
    public (string Name, IReadOnlyList<IPAddress> Addresses)? Adapter { get; set; }

    /// <summary>Closes every way out but the tunnel. Nothing is let through it either until <see cref="Use"/>.</summary>
    /// <param name="allowLan">Directly attached private networks stay reachable.</param>
    /// <param name="wasClosed">An exit was wanted before: a failure must not open what was closed.</param>
    /// <exception cref="PlatformException">The system refused; everything is as open or closed as before.</exception>
    public void Close(bool allowLan, bool wasClosed)
    {
        try
        {
            // A former choice may have let the LAN through.
            changes.Undo(RouteScope);
            ApplyGuard(ExitFamilies.None, allowLan);
            ApplyRoutes(allowLan);
        }
        catch (PlatformException)
        {
            if (!wasClosed)
            {
                Open();
            }

            throw;
        }
    }

    /// <summary>Lets the families of the exit into the tunnel.</summary>
    public void Use(ExitFamilies families, bool allowLan)
    {
        ApplyGuard(families, allowLan);
    }

    /// <summary>Opens the machine's own way out: routes first, kill switch last.</summary>
    public void Open()
    {
        changes.Undo(RouteScope);
        changes.Undo(GuardScope);
    }

    /// <summary>Only the kill switch, before the adapter exists: what an earlier process wanted holds while this one starts.</summary>
    public void GuardOnly(bool allowLan)
    {
        ApplyGuard(ExitFamilies.None, allowLan);
    }

    private void ApplyGuard(ExitFamilies families, bool allowLan)
    {
        changes.Apply(GuardScope, FirewallGuardRuleset.ToChange(new FirewallGuardOptions
        {
            AdapterName = Adapter?.Name,
            VirtualAddresses = Adapter?.Addresses ?? [],
            MeshPrefixes = [pool.Network, VirtualAddresses.Ipv6Prefix],
            HasIpv6 = (families & ExitFamilies.Ipv6) != 0,
            LanPrefixes = allowLan ? ReadLan() : [],
        }));
    }

    private void ApplyRoutes(bool allowLan)
    {
        if (Adapter is not { } adapter)
        {
            return;
        }

        LoosenReversePathFilter();
        changes.Apply(RouteScope, new RouteChange(pool.Network, adapter.Name, Table: Table));
        changes.Apply(RouteScope, new RouteChange(VirtualAddresses.Ipv6Prefix, adapter.Name, Table: Table));
        changes.Apply(RouteScope, new RouteChange(IPNetwork.Parse("0.0.0.0/0"), adapter.Name, Table: Table));
        changes.Apply(RouteScope, new RouteChange(IPNetwork.Parse("::/0"), adapter.Name, Table: Table));
        foreach (AddressFamily family in BothFamilies)
        {
            changes.Apply(RouteScope, new RuleChange(family, MarkPriority, RouteChange.MainTable)
            {
                FirewallMark = UnderlaySocket.FirewallMark,
                FirewallMask = UnderlaySocket.FirewallMask,
            });
            if (allowLan)
            {
                changes.Apply(RouteScope, new RuleChange(family, LanPriority, RouteChange.MainTable) { SuppressPrefixLength = 0 });
            }

            changes.Apply(RouteScope, new RuleChange(family, TablePriority, Table));
        }
    }

    /// <summary>
    /// Strict reverse path filtering (1) would drop the underlay's answers: without the mark, the way back to a relay seems to be the
    /// tunnel. Loose (2) still drops what no interface could have sent.
    /// </summary>
    private void LoosenReversePathFilter()
    {
        const string Folder = "/proc/sys/net/ipv4/conf";
        if (!Directory.Exists(Folder))
        {
            return;
        }

        bool allStrict = ReadFilter("all") == "1";
        foreach (string path in Directory.EnumerateDirectories(Folder))
        {
            string name = Path.GetFileName(path);
            string value = ReadFilter(name);
            if (name is not ("all" or "default" or "lo") && (value == "1" || (allStrict && value == "0")))
            {
                changes.Apply(RouteScope, new SysctlChange($"net/ipv4/conf/{name}/rp_filter", LooseFilter));
            }
        }

        static string ReadFilter(string name)
        {
            try
            {
                return File.ReadAllText($"{Folder}/{name}/rp_filter").Trim();
            }
            catch (IOException)
            {
                return "";
            }
        }
    }

    /// <summary>Networks this machine is attached to directly and that are private: "LAN" means no more than that.</summary>
    private static List<IPNetwork> ReadLan()
    {
        if (!OperatingSystem.IsLinux())
        {
            return [];
        }

        return [.. NetworkSnapshot.Read().Routes
            .Where(static r => r.Table == RouteChange.MainTable && r.Gateway is null && r.Destination.PrefixLength > 0)
            .Select(static r => r.Destination)
            .Where(static n => !ExitPolicy.IsPublic(Packets.PacketAddress.From(n.BaseAddress)))
            .Distinct()];
    }
}
