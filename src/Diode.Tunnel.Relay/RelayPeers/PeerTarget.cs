using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Relay.RelayPeers;

/// <summary>Where a relay is dialled.</summary>
/// <param name="Relay">The key it must prove.</param>
/// <param name="Host">Name or address.</param>
/// <param name="Port">TCP port of its peer listener.</param>
internal readonly record struct PeerTarget(Address Relay, string Host, ushort Port);
