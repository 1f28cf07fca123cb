namespace Diode.Tunnel.Engine;

/// <summary>The WireGuard interface that a perimeter has given this device.</summary>
public sealed record PerimeterWireGuardView
{
    /// <summary>Name of the adapter.</summary>
    public required string Interface { get; init; }

    /// <summary>Its public key, base64.</summary>
    public required string PublicKey { get; init; }

    /// <summary>Whose key that is: the contract's, this device's own, or one that stands in the property.</summary>
    public required string KeyOrigin { get; init; }

    /// <summary>UDP port.</summary>
    public int ListenPort { get; init; }

    /// <summary>Longest packet in bytes.</summary>
    public int Mtu { get; init; }

    /// <summary>Its addresses.</summary>
    public IReadOnlyList<string> Addresses { get; init; } = [];

    /// <summary>Networks that lead to it.</summary>
    public IReadOnlyList<string> Routes { get; init; } = [];

    /// <summary>Its peers.</summary>
    public IReadOnlyList<PerimeterPeerView> Peers { get; init; } = [];
}

/// <summary>A peer of a perimeter's interface.</summary>
public sealed record PerimeterPeerView
{
    /// <summary>Its key, base64.</summary>
    public required string PublicKey { get; init; }

    /// <summary>The Diode device it is; null if none.</summary>
    public string? Device { get; init; }

    /// <summary>Where it is; null if that is not known.</summary>
    public string? Endpoint { get; init; }

    /// <summary>The relay at whose port it is met; null for ordinary endpoints.</summary>
    public string? Relay { get; init; }

    /// <summary>Networks that lead to it and that it may send from.</summary>
    public IReadOnlyList<string> AllowedIps { get; init; } = [];

    /// <summary>When its last handshake was complete; null if there was none.</summary>
    public DateTimeOffset? LastHandshake { get; init; }

    /// <summary>Bytes received.</summary>
    public long RxBytes { get; init; }

    /// <summary>Bytes sent.</summary>
    public long TxBytes { get; init; }
}
