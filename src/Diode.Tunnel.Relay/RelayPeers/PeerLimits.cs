namespace Diode.Tunnel.Relay.RelayPeers;

/// <summary>Numbers of the protocol between relays (reference §7), and limits of our own (marked so).</summary>
internal static class PeerLimits
{
    /// <summary>Bytes of the big-endian length in front of a frame.</summary>
    public const int HeaderLength = 4;

    /// <summary>
    /// Ours: longest payload of a frame, deflated and inflated. The longest useful message is a portsend with the data of
    /// one Edge frame; every inflated byte may become a term of about a hundred bytes.
    /// </summary>
    public const int MaxPayload = 131_072;

    /// <summary>A peer has to say hello within this time.</summary>
    public const int HelloTimeoutMs = 3000;

    /// <summary>How long an answer is waited for; reads have <see cref="ReadTimeoutMs"/>.</summary>
    public const int RequestTimeoutMs = 2000;

    /// <summary>How long the answer to a find_value is waited for.</summary>
    public const int ReadTimeoutMs = 800;

    /// <summary>After this time without an answer the link is of no use: answers are matched by order only.</summary>
    public const int AnswerLimitMs = 30_000;

    /// <summary>Ours: a peer that said nothing for so long is asked for a sign of life.</summary>
    public const int IdleMs = 30_000;

    /// <summary>Ours: unanswered requests of a link.</summary>
    public const int MaxRequests = 256;

    /// <summary>Ours: output that a peer leaves unread before its input is left unread in turn.</summary>
    public const int OutputLimit = 1 << 20;

    /// <summary>Ours: what control messages may add to that before a peer that reads nothing at all is cut.</summary>
    public const int OutputReserve = 1 << 20;

    /// <summary>Ours: unanswered calls of a link, both ways.</summary>
    public const int MaxCalls = 256;

    /// <summary>Ours: ports of a link, both ways.</summary>
    public const int MaxPorts = 4096;

    /// <summary>Ours: ports a peer may ask for: a burst …</summary>
    public const int PortBurst = 256;

    /// <summary>… and then so many per second.</summary>
    public const int PortsPerSecond = 64;

    /// <summary>How long the answer to a portopen is waited for.</summary>
    public const int PortTimeoutMs = 35_000;

    /// <summary>Ours: bytes of a port that are under way at most: sent and not yet acknowledged.</summary>
    public const int PortWindow = 256 * 1024;

    /// <summary>Ours: bytes for devices that read too slowly, of all ports of a link.</summary>
    public const int MaxHeld = 16 << 20;

    /// <summary>A link counts as stable after more messages than this …</summary>
    public const int StableMessages = 10;

    /// <summary>… and this time.</summary>
    public const int StableMs = 300_000;

    /// <summary>Ours: objects of a peer whose signatures are checked: a burst …</summary>
    public const int CheckBurst = 4000;

    /// <summary>… and then so many per second.</summary>
    public const int ChecksPerSecond = 500;

    /// <summary>Nodes that are looked at in an answer; relays send three at most.</summary>
    public const int MaxHints = 3;
}
