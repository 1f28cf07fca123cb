using System.Net;

namespace Diode.Tunnel.Relay.Turn;

/// <summary>How TURN and STUN are set up.</summary>
public sealed record TurnOptions
{
    /// <summary>Port that real relays use.</summary>
    public const int DefaultPort = 19403;

    /// <summary>UDP port.</summary>
    public int Port { get; init; } = DefaultPort;

    /// <summary>Answer STUN bindings only: devices learn their address, and nobody gets a relayed one. Default false.</summary>
    public bool IsStunOnly { get; init; }

    /// <summary>Do without if the port is taken. Default false.</summary>
    public bool IsOptional { get; init; }

    /// <summary>Realm of the passwords.</summary>
    public string Realm { get; init; } = "diode";

    /// <summary>IPv4 address that peers reach this machine by; null = the relay's host, or an address of this machine.</summary>
    public IPAddress? ExternalAddress { get; init; }

    /// <summary>Whether peers in private networks may be reached. Default false: the relay's own network is one.</summary>
    public bool AllowPrivatePeers { get; init; }

    /// <summary>Allocations in all. Default 4,096.</summary>
    public int MaxAllocations { get; init; } = 4096;

    /// <summary>Allocations of one device. Default 16.</summary>
    public int MaxAllocationsPerDevice { get; init; } = 16;

    /// <summary>Allocations of one IPv4 address or IPv6 /64. Default 64.</summary>
    public int MaxAllocationsPerAddress { get; init; } = 64;

    /// <summary>Credentials in use. Default 50,000.</summary>
    public int MaxCredentials { get; init; } = 50_000;

    /// <summary>Most an allocation may carry per direction, in megabits per second; 0 = no limit. Default 100.</summary>
    public int AllocationMegabits { get; init; } = 100;
}
