using System.Net;

namespace Diode.Tunnel.Platform.Network;

/// <summary>What the kill switch of an exit's client lets out beside the tunnel.</summary>
public sealed record FirewallGuardOptions
{
    /// <summary>The adapter; null while there is none: then only the underlay gets out (state "blocked").</summary>
    public string? AdapterName { get; init; }

    /// <summary>This machine's virtual addresses; packets to them must come from the adapter.</summary>
    public IReadOnlyList<IPAddress> VirtualAddresses { get; init; } = [];

    /// <summary>Prefixes of the mesh: reachable over the adapter also where the exit lacks the family.</summary>
    public IReadOnlyList<IPNetwork> MeshPrefixes { get; init; } = [];

    /// <summary>Whether the exit carries IPv6. Default false: IPv6 is refused, so that programs fall back to IPv4.</summary>
    public bool HasIpv6 { get; init; }

    /// <summary>Local networks that stay reachable directly; empty unless the user asked for them.</summary>
    public IReadOnlyList<IPNetwork> LanPrefixes { get; init; } = [];

    /// <summary>Mark of the underlay's sockets. Default <see cref="UnderlaySocket.FirewallMark"/>.</summary>
    public uint FirewallMark { get; init; } = UnderlaySocket.FirewallMark;

    /// <summary>The compared bits of the mark. Default <see cref="UnderlaySocket.FirewallMask"/>.</summary>
    public uint FirewallMask { get; init; } = UnderlaySocket.FirewallMask;
}
