using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Network;

namespace Diode.Tunnel.Engine.Paths.PortMapping;

/// <summary>Finds the IPv4 gateway of the machine's own default route.</summary>
internal static class GatewayFinder
{
    /// <summary>The gateway and this machine's address towards it; null if there is none.</summary>
    /// <param name="adapterName">The tunnel's adapter, which does not count.</param>
    public static (IPAddress Gateway, IPAddress Client)? Find(string adapterName)
    {
        try
        {
            return OperatingSystem.IsLinux() ? FromNetlink(adapterName) : FromInterfaces(adapterName);
        }
        catch (Exception e) when (e is PlatformException or NetworkInformationException)
        {
            return null;
        }
    }

    [System.Runtime.Versioning.SupportedOSPlatform("linux")]
    private static (IPAddress Gateway, IPAddress Client)? FromNetlink(string adapterName)
    {
        NetworkSnapshot network = NetworkSnapshot.Read();
        foreach (RouteSnapshot route in network.Routes
            .Where(static r => r is { Gateway: not null, Table: RouteChange.MainTable, Destination.PrefixLength: 0 }
                && r.Gateway.AddressFamily == AddressFamily.InterNetwork)
            .OrderBy(static r => r.Metric))
        {
            InterfaceSnapshot? link = network.Interfaces.FirstOrDefault(i => i.Index == route.InterfaceIndex);
            AddressSnapshot? own = link?.Addresses.FirstOrDefault(static a => a.Address.AddressFamily == AddressFamily.InterNetwork);
            if (own is not null && link!.Name != adapterName)
            {
                return (route.Gateway!, own.Address);
            }
        }

        return null;
    }

    private static (IPAddress Gateway, IPAddress Client)? FromInterfaces(string adapterName)
    {
        foreach (NetworkInterface link in NetworkInterface.GetAllNetworkInterfaces())
        {
            if (link.OperationalStatus != OperationalStatus.Up || link.Name == adapterName)
            {
                continue;
            }

            IPInterfaceProperties properties = link.GetIPProperties();
            IPAddress? gateway = properties.GatewayAddresses.Select(static g => g.Address)
                .FirstOrDefault(static a => a.AddressFamily == AddressFamily.InterNetwork && !a.Equals(IPAddress.Any));
            IPAddress? own = properties.UnicastAddresses.Select(static u => u.Address)
                .FirstOrDefault(static a => a.AddressFamily == AddressFamily.InterNetwork);
            if (gateway is not null && own is not null)
            {
                return (gateway, own);
            }
        }

        return null;
    }
}
