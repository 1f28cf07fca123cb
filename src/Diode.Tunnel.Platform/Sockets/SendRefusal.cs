namespace Diode.Tunnel.Platform.Sockets;

/// <summary>Why the system does not take a datagram, as far as that concerns its receiver.</summary>
public enum SendRefusal
{
    /// <summary>It is longer than the interface it would leave by carries (EMSGSIZE).</summary>
    TooLong,

    /// <summary>There is no way to the receiver: no route, an interface that is down, forbidden by a route or the firewall.</summary>
    Unreachable,
}
