namespace Diode.Tunnel.WireGuard.Messages;

/// <summary>First four bytes of every datagram, little-endian: the type and three reserved zero bytes (WireGuard §5.4).</summary>
internal enum MessageType : uint
{
    HandshakeInitiation = 1,
    HandshakeResponse = 2,
    CookieReply = 3,
    TransportData = 4,
}
