using System.Net.Sockets;

namespace Diode.Tunnel.Engine.Names;

/// <summary>Tuning of the resolver.</summary>
public sealed record DnsServerOptions
{
    /// <summary>How long one upstream may take. Default 2 s.</summary>
    public TimeSpan UpstreamTimeout { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Questions asked of upstreams per query at most. Default 3.</summary>
    public int MaxAttempts { get; init; } = 3;

    /// <summary>Queries waiting for upstreams at most; more are answered SERVFAIL. Default 1,024.</summary>
    public int MaxInFlight { get; init; } = 1_024;

    /// <summary>TCP connections at most; more are closed. Default 128.</summary>
    public int MaxConnections { get; init; } = 128;

    /// <summary>How long a TCP connection may be silent. Default 10 s.</summary>
    public TimeSpan ConnectionTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Makes the sockets towards upstreams (to mark them as underlay traffic). Default: plain sockets.</summary>
    public Func<AddressFamily, SocketType, Socket> UpstreamSocket { get; init; } =
        static (family, type) => new Socket(family, type, type == SocketType.Stream ? ProtocolType.Tcp : ProtocolType.Udp);

    /// <summary>Source of time-outs.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;
}
