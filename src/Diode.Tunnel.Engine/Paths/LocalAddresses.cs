using System.Net;
using System.Net.NetworkInformation;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Network;

namespace Diode.Tunnel.Engine.Paths;

/// <summary>The addresses of this machine.</summary>
internal static class LocalAddresses
{
    /// <summary>Those of interfaces that are up, without loopback and the adapters of this program; empty if the system does not tell.</summary>
    /// <param name="adapterName">The tunnel's adapter.</param>
    /// <param name="prefix">How names of interfaces begin that are adapters of this program as well; empty for none.</param>
    public static IReadOnlyList<IPAddress> Read(string adapterName, string prefix)
    {
        bool IsOurs(string name) => name == adapterName || (prefix.Length > 0 && name.StartsWith(prefix, StringComparison.Ordinal));

        try
        {
            return OperatingSystem.IsLinux()
                ? [.. NetworkSnapshot.ReadInterfaces()
                    .Where(i => i is { IsUp: true, IsLoopback: false } && !IsOurs(i.Name))
                    .SelectMany(static i => i.Addresses)
                    .Select(static a => a.Address)]
                : [.. NetworkInterface.GetAllNetworkInterfaces()
                    .Where(i => i.OperationalStatus == OperationalStatus.Up
                        && i.NetworkInterfaceType != NetworkInterfaceType.Loopback
                        && !IsOurs(i.Name))
                    .SelectMany(static i => i.GetIPProperties().UnicastAddresses)
                    .Select(static a => a.Address)];
        }
        catch (Exception e) when (e is PlatformException or NetworkInformationException)
        {
            return [];
        }
    }
}
