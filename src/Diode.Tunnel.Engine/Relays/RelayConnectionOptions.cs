using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Engine.PlainPeers;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Platform.Tls;

namespace Diode.Tunnel.Engine.Relays;

/// <summary>What a relay session needs to know.</summary>
internal sealed record RelayConnectionOptions
{
    /// <summary>Where the relay is and which key it must prove.</summary>
    public required RelayUri Uri { get; init; }

    /// <summary>The device's key, which signs tickets. Borrowed.</summary>
    public required PrivateKey Keys { get; init; }

    /// <summary>The device's certificate and key for TLS. Borrowed.</summary>
    public required TlsIdentity TlsIdentity { get; init; }

    /// <summary>Edge protocol options: fleet and chain of the tickets, tunnel key in their metadata.</summary>
    public required EdgeClientOptions Edge { get; init; }

    /// <summary>Bounds what stream ports of all sessions keep for slow readers.</summary>
    public InboxBudget Inboxes { get; init; } = new();
}
