using System.Net;

namespace Diode.Tunnel.WireGuardTool;

/// <summary>A <c>[Peer]</c> section.</summary>
internal sealed record PeerConfiguration
{
    public byte[] PublicKey { get; set; } = [];

    public byte[] PresharedKey { get; set; } = [];

    public List<IPNetwork> AllowedIps { get; } = [];

    public IPEndPoint? Endpoint { get; set; }

    public TimeSpan PersistentKeepalive { get; set; }
}
