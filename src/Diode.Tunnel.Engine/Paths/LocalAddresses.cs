using System.Net;
using System.Net.NetworkInformation;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Network;

namespace Diode.Tunnel.Engine.Paths;

/// <summary>The addresses of this machine.</summary>
internal static class LocalAddresses
{
    /// <summary>Those of interfaces that are up, without loopback and the tunnel's adapter; empty if the system does not tell.</summary>
    public static IReadOnlyList<IPAddress> Read(string adapterName)
    {
        try
        {
            return OperatingSystem.IsLinux()
                ? [.. NetworkSnapshot.ReadInterfaces()
                    .Where(i => i is { IsUp: true, IsLoopback: false } && i.Name != adapterName)
                    .SelectMany(static i => i.Addresses)
                    .Select(static a => a.Address)]
                : [.. NetworkInterface.GetAllNetworkInterfaces()
                    .Where(i => i.OperationalStatus == OperationalStatus.Up
                        && i.NetworkInterfaceType != NetworkInterfaceType.Loopback
                        && i.Name != adapterName)
                    .SelectMany(static i => i.GetIPProperties().UnicastAddresses)
                    .Select(static a => a.Address)];
        }
        catch (Exception e) when (e is PlatformException or NetworkInformationException)
        {
            return [];
        }
    }
}
