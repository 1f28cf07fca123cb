namespace Diode.Tunnel.Relay.RelayPeers;

/// <summary>Why a link to another relay ends.</summary>
internal enum PeerCloseReason
{
    /// <summary>It does not.</summary>
    None,

    /// <summary>No hello in time.</summary>
    HelloTimeout,

    /// <summary>Something else came before hello, or hello cannot be read.</summary>
    BadHello,

    /// <summary>The object in hello was signed by somebody else than the key of the TLS connection.</summary>
    WrongSigner,

    /// <summary>A frame that is empty, too long or no term.</summary>
    BadFrame,

    /// <summary>A response without a request: from here on none could be matched.</summary>
    UnsolicitedResponse,

    /// <summary>A request was not answered for <see cref="PeerLimits.AnswerLimitMs"/>.</summary>
    NoAnswer,

    /// <summary>Another link to the same relay took its place.</summary>
    Replaced,

    /// <summary>The peer closed or reset the connection.</summary>
    PeerLeft,

    /// <summary>The peer broke TLS, or its certificate names no key, or not the expected one.</summary>
    TlsFailed,

    /// <summary>The TLS handshake took too long.</summary>
    HandshakeTimeout,

    /// <summary>The peer does not read.</summary>
    SlowReader,

    /// <summary>The peer is this relay itself.</summary>
    Self,

    /// <summary>There are as many links as there may be.</summary>
    Full,

    /// <summary>The relay stops.</summary>
    Stopping,

    /// <summary>A bug of ours; logged.</summary>
    InternalError,
}
