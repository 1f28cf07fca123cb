namespace Diode.Tunnel.Engine.Filtering;

/// <summary>Tuning of the packet filter.</summary>
public sealed record PacketFilterOptions
{
    /// <summary>Whether fleet members may ping this device. Default: yes.</summary>
    public bool AllowPingFromFleet { get; init; } = true;

    /// <summary>Flows kept at most, rounded up to a power of two; about 64 bytes each. Default 65,536.</summary>
    public int MaxFlows { get; init; } = 65_536;

    /// <summary>Idle time after which an open TCP connection is forgotten. Default 12 min.</summary>
    public TimeSpan TcpTimeout { get; init; } = TimeSpan.FromMinutes(12);

    /// <summary>Idle time after which a TCP connection that never answered is forgotten. Default 60 s.</summary>
    public TimeSpan TcpOpeningTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Idle time after both FINs, or after a RST. Default 10 s.</summary>
    public TimeSpan TcpClosedTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Idle time after which a UDP exchange is forgotten. Default 3 min.</summary>
    public TimeSpan UdpTimeout { get; init; } = TimeSpan.FromMinutes(3);

    /// <summary>Idle time after which a ping, and any other protocol, is forgotten. Default 30 s.</summary>
    public TimeSpan OtherTimeout { get; init; } = TimeSpan.FromSeconds(30);
}
