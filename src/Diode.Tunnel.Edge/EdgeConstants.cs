namespace Diode.Tunnel.Edge;

/// <summary>Command and reply words of Edge v2 (diode_node <c>lib/network/edge_v2.ex</c>; reference §3.1).</summary>
public static class EdgeCommands
{
    /// <summary>First element of every positive reply.</summary>
    public static ReadOnlySpan<byte> Response => "response"u8;

    /// <summary>First element of every negative reply.</summary>
    public static ReadOnlySpan<byte> Error => "error"u8;

    /// <summary>Session start: version and flags (§2.4).</summary>
    public static ReadOnlySpan<byte> Hello => "hello"u8;

    /// <summary>Asks for the version of the relay software.</summary>
    public static ReadOnlySpan<byte> Version => "version"u8;

    /// <summary>Submits a Diode L1 ticket (§4.1).</summary>
    public static ReadOnlySpan<byte> Ticket => "ticket"u8;

    /// <summary>Submits a ticket of any other chain (§4.1).</summary>
    public static ReadOnlySpan<byte> TicketV2 => "ticketv2"u8;

    /// <summary>Relay to client: a new ticket is wanted.</summary>
    public static ReadOnlySpan<byte> TicketRequest => "ticket_request"u8;

    /// <summary>Asks for the unpaid byte count.</summary>
    public static ReadOnlySpan<byte> Bytes => "bytes"u8;

    /// <summary>Liveness; answered <see cref="Pong"/>.</summary>
    public static ReadOnlySpan<byte> Ping => "ping"u8;

    /// <summary>Answer to <see cref="Ping"/>.</summary>
    public static ReadOnlySpan<byte> Pong => "pong"u8;

    /// <summary>Reads a signed object by its key (§3.2).</summary>
    public static ReadOnlySpan<byte> GetObject => "getobject"u8;

    /// <summary>Reads the server object of a relay (§3.2).</summary>
    public static ReadOnlySpan<byte> GetNode => "getnode"u8;

    /// <summary>Reads the server objects nearest to a key (§3.2).</summary>
    public static ReadOnlySpan<byte> GetNodes => "getnodes"u8;

    /// <summary>Opens a port, in both directions (§3.6).</summary>
    public static ReadOnlySpan<byte> PortOpen => "portopen"u8;

    /// <summary>Carries data of a port, in both directions (§3.7).</summary>
    public static ReadOnlySpan<byte> PortSend => "portsend"u8;

    /// <summary>Closes a port, in both directions (§3.7).</summary>
    public static ReadOnlySpan<byte> PortClose => "portclose"u8;

    /// <summary>Opens a physical port on the relay, in both directions (§3.9).</summary>
    public static ReadOnlySpan<byte> PortOpen2 => "portopen2"u8;

    /// <summary>Closes a physical port on the relay, in both directions (§3.9).</summary>
    public static ReadOnlySpan<byte> PortClose2 => "portclose2"u8;

    /// <summary>Relay to client, old servers only: the session is about to be closed (§2.6).</summary>
    public static ReadOnlySpan<byte> Goodbye => "goodbye"u8;

    /// <summary>Relay to client above version 1001 (§3.14).</summary>
    public static ReadOnlySpan<byte> Notify => "notify"u8;

    /// <summary>Positive word of many replies.</summary>
    public static ReadOnlySpan<byte> Ok => "ok"u8;

    /// <summary>Ticket accepted (§3.3).</summary>
    public static ReadOnlySpan<byte> Thanks => "thanks!"u8;

    /// <summary>The relay has a better ticket, or the ticket does not cover the usage (§3.3).</summary>
    public static ReadOnlySpan<byte> TooLow => "too_low"u8;

    /// <summary>The epoch is neither the current nor the previous one (§3.3).</summary>
    public static ReadOnlySpan<byte> TooOld => "too_old"u8;

    /// <summary>The ticket pays far more than was used (§3.3).</summary>
    public static ReadOnlySpan<byte> TooBigJump => "too_big_jump"u8;

    /// <summary>Flag of hello: raw deflate of every following frame (§2.5).</summary>
    public static ReadOnlySpan<byte> ZlibFlag => "zlib"u8;
}

/// <summary>Error texts as they stand on the wire, typos included (reference §3.1, §3.3, §3.6, §3.9).</summary>
public static class EdgeErrors
{
    /// <summary>Code that goes with <see cref="BadInput"/>.</summary>
    public const int BadInputCode = 401;

    /// <summary>Unknown command or wrong arguments.</summary>
    public const string BadInput = "bad input";

    /// <summary>hello below version 1000.</summary>
    public const string VersionNotSupported = "version not supported";

    /// <summary>portsend to an unknown reference.</summary>
    public const string PortDoesNotExist = "port does not exist";

    /// <summary>portclose of an unknown reference; diode_node misspells it.</summary>
    public const string PortDoesNotExit = "port does not exit";

    /// <summary>portopen to the own address.</summary>
    public const string ConnectToYourself = "can't connect to yourself";

    /// <summary>portopen with flags other than <c>rwstp</c>, or neither r nor w.</summary>
    public const string InvalidFlags = "invalid flags";

    /// <summary>portopen to something that is no device address.</summary>
    public const string InvalidDeviceId = "invalid device id";

    /// <summary>The device is not connected to this relay.</summary>
    public const string NotFound = "not found";

    /// <summary>The target has more than five unanswered opens.</summary>
    public const string TooManyHangingPorts = "too many hanging ports";

    /// <summary>The same open is still unanswered.</summary>
    public const string AlreadyOpening = "already opening";

    /// <summary>The target did not answer within 35 s, or left.</summary>
    public const string Unknown = "unknown";

    /// <summary>Ticket epoch before the previous one.</summary>
    public const string EpochTooLow = "epoch number too low";

    /// <summary>Ticket epoch after the current one.</summary>
    public const string EpochTooHigh = "epoch number too high";

    /// <summary>Ticket above <see cref="EdgeLimits.MaxTicketBytes"/>.</summary>
    public const string TooManyBytes = "too many bytes";

    /// <summary>Ticket above <see cref="EdgeLimits.MaxTicketConnections"/>.</summary>
    public const string TooManyConnections = "too many connections";

    /// <summary>Ticket not signed by the device of the session.</summary>
    public const string SignatureMismatch = "signature mismatch";

    /// <summary>portopen of a port that is not offered (Go client, <c>rpc/bridge.go</c>).</summary>
    public const string PortNotPublished = "port was not published";

    /// <summary>Go's reason for a port name it cannot read (<c>rpc/bridge.go</c>).</summary>
    public const string UnsupportedPortFormat = "not supported port format";

    /// <summary>Go's reason for refusing a v2 ticket of epoch 0 (<c>edge/device_ticket.go</c>).</summary>
    public const string EpochMustBePositive = "epoch must be greater than 0";
}

/// <summary>Numbers of the protocol, and limits of our own (marked so).</summary>
public static class EdgeLimits
{
    /// <summary>Bytes of the big-endian length in front of a frame (§2.1).</summary>
    public const int FrameHeaderLength = 2;

    /// <summary>Longest frame payload (§2.1).</summary>
    public const int MaxFramePayload = 65535;

    /// <summary>Longest data of one portsend that a relay can still re-encode (§2.1).</summary>
    public const int MaxPortData = 65000;

    /// <summary>Longest datagram of a <c>udp:</c> port (§3.8).</summary>
    public const int MaxDatagram = 65535;

    /// <summary>Hello version of today's clients; ticket_request is sent by relays (§2.4).</summary>
    public const int ProtocolVersion = 1001;

    /// <summary>Hello version from which relays also send notify (§2.4).</summary>
    public const int NotifyProtocolVersion = 1002;

    /// <summary>Smallest hello version a relay accepts (§2.4).</summary>
    public const int MinProtocolVersion = 1000;

    /// <summary>Chain id of Moonbeam, the default ticket chain (§4.4).</summary>
    public const ulong DefaultChainId = 1284;

    /// <summary>Chain id of the Diode L1, whose tickets are of version 1 (§4.4).</summary>
    public const ulong DiodeL1ChainId = 15;

    /// <summary>Seconds per ticket epoch (§4.3).</summary>
    public const ulong EpochSeconds = 2_592_000;

    /// <summary>Diode L1 blocks per v1 ticket epoch (§4.3).</summary>
    public const ulong EpochBlocks = 40_320;

    /// <summary>A ticket with a time stays fresh for clients this many seconds (§4.5).</summary>
    public const ulong FreshSeconds = 57_600;

    /// <summary>A v1 ticket without a time stays fresh for clients this many blocks (§4.5).</summary>
    public const ulong FreshBlocks = 3_840;

    /// <summary>Bytes that clients pay ahead (§4.4).</summary>
    public const ulong TicketHeadroom = 4_194_304;

    /// <summary>Most bytes a ticket may pay beyond the usage (§3.3).</summary>
    public const ulong MaxTicketJump = 100_000_000;

    /// <summary>Most bytes in a ticket: 2^50 (§4.6).</summary>
    public const ulong MaxTicketBytes = 1UL << 50;

    /// <summary>Most connections in a ticket: 2^40 (§4.6).</summary>
    public const ulong MaxTicketConnections = 1UL << 40;

    /// <summary>Weight of one connection in the score of a ticket (§4.7).</summary>
    public const ulong ConnectionScore = 1024;

    /// <summary>A relay closes a session that has no accepted ticket after this many milliseconds (§4.6).</summary>
    public const int TicketDeadlineMs = 20_000;

    /// <summary>A relay gives up an unanswered portopen after this many milliseconds (§3.6).</summary>
    public const int PortOpenTimeoutMs = 35_000;

    /// <summary>Ours: bytes of a port name; the longest known is <c>tcp:65535</c>.</summary>
    public const int MaxPortName = 64;

    /// <summary>Ours: bytes of a port reference; relays use 3 or 4.</summary>
    public const int MaxPortRef = 8;

    /// <summary>Ours: bytes of a local_address in a ticket we read; keeps a ticket inside a frame.</summary>
    public const int MaxLocalAddress = 4096;

    /// <summary>Ours: bytes of a certificate that is looked at; node certificates have about 460.</summary>
    public const int MaxCertificate = 8192;
}
