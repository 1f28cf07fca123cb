namespace Diode.Tunnel.Relay.Turn;

/// <summary>An IPv4 transport address of a peer.</summary>
/// <param name="Ip">Address as a number.</param>
/// <param name="Port">UDP port.</param>
internal readonly record struct TurnPeer(uint Ip, ushort Port);
