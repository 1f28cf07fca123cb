using Diode.Tunnel.Edge.Sessions;

namespace Diode.Tunnel.Relay.Sessions;

/// <summary>What one device may use of the relay.</summary>
public sealed record RelayLimits
{
    /// <summary>Buffers of one session.</summary>
    public EdgeServerOptions Session { get; init; } = new();

    /// <summary>
    /// How long others may wait for a device that reads too slowly before it is cut off. Default 15 s, in which it
    /// has to take a quarter of <see cref="EdgeServerOptions.OutputLimit"/>.
    /// </summary>
    public TimeSpan SlowReaderTimeout { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>How long a peer may take nothing at all of its output. Default 30 s (the send time-out of real relays).</summary>
    public TimeSpan SendTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Ports of one session, in both roles. Default 4,096.</summary>
    public int MaxPortsPerSession { get; init; } = 4096;

    /// <summary>
    /// Ports of this host (<c>portopen2</c>) that one device may have asked for; it may be offered four times as many by
    /// others. Default 64.
    /// </summary>
    public int MaxPhysicalPortsPerDevice { get; init; } = 64;

    /// <summary>Ports of this host (<c>portopen2</c>) in all. Default 4,096.</summary>
    public int MaxPhysicalPorts { get; init; } = 4096;

    /// <summary>Sessions in all. Default 20,000.</summary>
    public int MaxSessions { get; init; } = 20_000;

    /// <summary>Connections from one IPv4 address or IPv6 /64. Default 1,000.</summary>
    public int MaxConnectionsPerAddress { get; init; } = 1000;

    /// <summary>Unfinished handshakes from one IPv4 address or IPv6 /64. Default 64.</summary>
    public int MaxHandshakesPerAddress { get; init; } = 64;

    /// <summary>Time for the TLS handshake. Default 15 s.</summary>
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Devices whose tickets and usage are kept. Default 200,000.</summary>
    public int MaxDevices { get; init; } = 200_000;

    /// <summary>Channels in all; 64 of one device. Default 4,096.</summary>
    public int MaxChannels { get; init; } = 4096;
}
