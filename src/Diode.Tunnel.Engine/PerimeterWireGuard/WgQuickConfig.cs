using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.WireGuard;

namespace Diode.Tunnel.Engine.PerimeterWireGuard;

/// <summary>Where an interface's private key comes from.</summary>
internal enum WgQuickKey
{
    /// <summary>Nothing usable is said: there is no interface then.</summary>
    Missing,

    /// <summary><c>auto</c>: the key that the contract keeps for this device, else one made here.</summary>
    Auto,

    /// <summary>It stands in the text.</summary>
    Given,
}

/// <summary>
/// What a configuration of wg-quick says, as far as it has a meaning here. Immutable. Holds secrets: never printed as a whole, see
/// <see cref="Describe"/>.
/// </summary>
internal sealed class WgQuickConfig
{
    /// <summary>Addresses of the interface with the length of their network.</summary>
    public ImmutableArray<IPNetwork> Networks { get; init; } = [];

    /// <summary>The addresses themselves, in the order of <see cref="Networks"/>.</summary>
    public ImmutableArray<IPAddress> Addresses { get; init; } = [];

    /// <summary>UDP port; 0 lets the system choose.</summary>
    public ushort ListenPort { get; init; }

    /// <summary>Longest packet in bytes; null leaves it to this program.</summary>
    public int? Mtu { get; init; }

    /// <summary>Where the private key comes from.</summary>
    public WgQuickKey Key { get; init; }

    /// <summary>The private key, 32 bytes, if it is <see cref="WgQuickKey.Given"/>.</summary>
    public byte[] PrivateKey { get; init; } = [];

    /// <summary>The peers, one for each key or device.</summary>
    public ImmutableArray<WgQuickPeer> Peers { get; init; } = [];

    /// <summary>What was left out and why.</summary>
    public ImmutableArray<string> Warnings { get; init; } = [];

    /// <summary>The configuration without secrets and commands.</summary>
    public string Describe() => string.Create(
        CultureInfo.InvariantCulture,
        $"interface:{string.Concat(Networks.Zip(Addresses, static (n, a) => $" Address {a}/{n.PrefixLength}"))}{(ListenPort == 0 ? "" : $" ListenPort {ListenPort}")}{(Mtu is { } mtu ? $" MTU {mtu}" : "")}{string.Concat(Peers.Select(static p => $"; peer:{p.Describe()}"))}");
}

/// <summary>A peer of a <see cref="WgQuickConfig"/>.</summary>
internal sealed class WgQuickPeer
{
    /// <summary>Its key; null for <c>auto</c>: the key that the contract keeps for <see cref="Device"/>.</summary>
    public TunnelPublicKey? PublicKey { get; init; }

    /// <summary>32 bytes, or empty for none.</summary>
    public byte[] PresharedKey { get; init; } = [];

    /// <summary>Its networks.</summary>
    public ImmutableArray<IPNetwork> AllowedIps { get; init; } = [];

    /// <summary>Interval of keepalives; zero for none.</summary>
    public TimeSpan Keepalive { get; init; }

    /// <summary>Host of an ordinary endpoint, an address or a name; null for none.</summary>
    public string? Host { get; init; }

    /// <summary>UDP port of the endpoint; of a Diode peer the name of the port it is met at, 0 where none is said.</summary>
    public ushort Port { get; init; }

    /// <summary>The Diode device it is; null if it is none, or only its name is known.</summary>
    public Address? Device { get; init; }

    /// <summary>Name of the Diode device where no address is said.</summary>
    public string? DeviceName { get; init; }

    /// <summary>Whether it is met at a port of its relay.</summary>
    public bool IsDiode => Device is not null || DeviceName is not null;

    /// <summary>The peer without secrets.</summary>
    public string Describe() => string.Create(
        CultureInfo.InvariantCulture,
        $"{(PublicKey is { } key ? $" PublicKey {key}" : " PublicKey auto")}{(IsDiode ? $" DiodeDevice {Device?.ToString() ?? DeviceName}{(Port == 0 ? "" : $":{Port}")}" : Host is null ? "" : $" Endpoint {Host}:{Port}")} AllowedIPs {string.Join(", ", AllowedIps)}");
}
