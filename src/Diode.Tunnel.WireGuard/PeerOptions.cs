using System.Net;

namespace Diode.Tunnel.WireGuard;

/// <summary>Settings of a <see cref="Peer"/>.</summary>
public sealed record PeerOptions
{
    /// <summary>32 bytes known to both ends, or empty for none. Copied; the caller erases its own.</summary>
    public ReadOnlyMemory<byte> PresharedKey { get; init; }

    /// <summary>Prefixes the peer may use as source and that route to it.</summary>
    public IReadOnlyList<IPNetwork> AllowedIps { get; init; } = [];

    /// <summary>An empty packet is sent when nothing was sent or received for this long; zero for never.</summary>
    public TimeSpan PersistentKeepalive { get; init; }

    /// <summary>The peer's path before it is heard of; opaque to this project.</summary>
    public object? Endpoint { get; init; }

    /// <summary>The owner's own object.</summary>
    public object? Tag { get; init; }
}
