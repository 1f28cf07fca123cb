using System.Net;

namespace Diode.Tunnel.Relay.WireGuardExit;

/// <summary>How the relay's exit is set up.</summary>
public sealed record WireGuardExitOptions
{
    /// <summary>Port that real relays use.</summary>
    public const int DefaultPort = 51820;

    /// <summary>UDP port for WireGuard clients.</summary>
    public int Port { get; init; } = DefaultPort;

    /// <summary>Name or address told to clients; null = the relay's.</summary>
    public string? Host { get; init; }

    /// <summary>
    /// Network the clients' addresses are taken from, prefix 8 to 24; null = 10.0.0.0/16 or, where this machine uses
    /// that itself, the first free one of a few others.
    /// </summary>
    public IPNetwork? Pool { get; init; }

    /// <summary>Name of the adapter. Default <c>diode_wg</c>, as real relays call it.</summary>
    public string InterfaceName { get; init; } = "diode_wg";

    /// <summary>MTU of the adapter in bytes. Default 1420: fits into 1500 also over IPv6.</summary>
    public int Mtu { get; init; } = 1420;

    /// <summary>Most a client may send, and receive, in megabits per second; 0 = no limit. Default 250.</summary>
    public int ClientMegabits { get; init; } = 250;

    /// <summary>Clients at a time. Default 10,000.</summary>
    public int MaxClients { get; init; } = 10_000;
}
