using Diode.Tunnel.Engine.Relays;
using Diode.Tunnel.Platform.Sockets;

namespace Diode.Tunnel.Engine.Paths;

/// <summary>A UDP port at a relay where this device meets a peer.</summary>
internal sealed record RelayUdpPort(RelayConnection Relay, EndpointAddress Endpoint);
