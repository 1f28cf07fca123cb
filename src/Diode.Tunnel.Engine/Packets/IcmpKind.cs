namespace Diode.Tunnel.Engine.Packets;

/// <summary>What an ICMP or ICMPv6 message is to a stateful filter.</summary>
public enum IcmpKind : byte
{
    /// <summary>Not an ICMP message, or one whose header is in another fragment.</summary>
    None,

    /// <summary>Echo request.</summary>
    EchoRequest,

    /// <summary>Echo reply.</summary>
    EchoReply,

    /// <summary>An error about a packet that it quotes.</summary>
    Error,

    /// <summary>Anything else (redirects, router and neighbour discovery, timestamps…).</summary>
    Other,
}
