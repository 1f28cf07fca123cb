namespace Diode.Tunnel.Relay.Sessions;

/// <summary>Why the relay ended a session.</summary>
internal enum CloseReason
{
    /// <summary>Not ended.</summary>
    None,

    /// <summary>The peer closed or reset the connection.</summary>
    PeerLeft,

    /// <summary>The peer broke TLS.</summary>
    TlsFailed,

    /// <summary>The peer broke the framing.</summary>
    BadFrame,

    /// <summary>No ticket within 20 s of being asked.</summary>
    NoTicket,

    /// <summary>The peer reads too slowly for those who send to it, or not at all.</summary>
    SlowReader,

    /// <summary>The handshake took too long.</summary>
    HandshakeTimeout,

    /// <summary>The relay has as many sessions or devices as it may.</summary>
    Full,

    /// <summary>The relay stops.</summary>
    Stopping,

    /// <summary>A bug of ours; logged.</summary>
    InternalError,
}
