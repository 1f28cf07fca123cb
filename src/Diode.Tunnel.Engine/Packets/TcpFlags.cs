namespace Diode.Tunnel.Engine.Packets;

/// <summary>Bits of the TCP flag byte (RFC 9293 §3.1).</summary>
public static class TcpFlags
{
    /// <summary>No more data from the sender.</summary>
    public const byte Fin = 0x01;

    /// <summary>Synchronise sequence numbers.</summary>
    public const byte Syn = 0x02;

    /// <summary>Reset the connection.</summary>
    public const byte Rst = 0x04;

    /// <summary>The acknowledgement number counts.</summary>
    public const byte Ack = 0x10;
}
