namespace Diode.Tunnel.WireGuard;

/// <summary>Why a datagram or packet went no further. Every drop is counted under its reason.</summary>
public enum DropReason
{
    /// <summary>Nothing was dropped.</summary>
    None,

    /// <summary>Unknown type, reserved bytes set, or a length the type cannot have.</summary>
    MalformedMessage,

    /// <summary>mac1 is wrong: the sender does not know our public key.</summary>
    InvalidMac1,

    /// <summary>Under load and without a valid mac2; a cookie reply was sent.</summary>
    CookieRequired,

    /// <summary>Under load and the source has used up its share.</summary>
    RateLimited,

    /// <summary>A handshake message that fails authentication, or whose peer is not ours.</summary>
    HandshakeFailed,

    /// <summary>An initiation whose timestamp is not newer than the last one.</summary>
    ReplayedInitiation,

    /// <summary>A peer's initiations follow each other too fast.</summary>
    InitiationFlood,

    /// <summary>No handshake or keypair has this receiver index.</summary>
    UnknownReceiver,

    /// <summary>A cookie reply that answers nothing of ours or fails authentication.</summary>
    InvalidCookieReply,

    /// <summary>The keypair is older than 180 seconds, out of counters, or erased.</summary>
    ExpiredKeypair,

    /// <summary>The tag of a transport message is wrong.</summary>
    DecryptionFailed,

    /// <summary>The counter was seen before or is behind the window.</summary>
    ReplayedCounter,

    /// <summary>The decrypted bytes are no IP packet.</summary>
    MalformedPacket,

    /// <summary>The packet's source address is not among the peer's allowed IPs.</summary>
    SourceNotAllowed,

    /// <summary>The peer was removed.</summary>
    PeerRemoved,

    /// <summary>Pushed out of the full staging queue by a newer packet.</summary>
    StagedOverflow,

    /// <summary>Staged until the handshake was given up.</summary>
    HandshakeTimedOut,
}
