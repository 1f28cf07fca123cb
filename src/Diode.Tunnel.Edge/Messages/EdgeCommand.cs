namespace Diode.Tunnel.Edge.Messages;

/// <summary>The commands this product reads; the words are in <see cref="EdgeCommands"/>.</summary>
public enum EdgeCommand
{
    /// <summary>Any other word, chain-prefixed commands among them.</summary>
    Unknown,

    /// <summary>A positive reply, or the confirmation of a port.</summary>
    Response,

    /// <summary>A negative reply, or the denial of a port.</summary>
    Error,

    /// <summary>hello</summary>
    Hello,

    /// <summary>version</summary>
    Version,

    /// <summary>ticket</summary>
    Ticket,

    /// <summary>ticketv2</summary>
    TicketV2,

    /// <summary>ticket_request</summary>
    TicketRequest,

    /// <summary>bytes</summary>
    Bytes,

    /// <summary>ping</summary>
    Ping,

    /// <summary>getobject</summary>
    GetObject,

    /// <summary>getnode</summary>
    GetNode,

    /// <summary>getnodes</summary>
    GetNodes,

    /// <summary>portopen</summary>
    PortOpen,

    /// <summary>portsend</summary>
    PortSend,

    /// <summary>portclose</summary>
    PortClose,

    /// <summary>portopen2</summary>
    PortOpen2,

    /// <summary>portclose2</summary>
    PortClose2,

    /// <summary>goodbye</summary>
    Goodbye,

    /// <summary>notify</summary>
    Notify,
}
