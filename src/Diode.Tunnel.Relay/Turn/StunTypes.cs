namespace Diode.Tunnel.Relay.Turn;

/// <summary>Numbers of RFC 8489 and RFC 8656.</summary>
internal static class StunMethod
{
    public const ushort Binding = 0x001;
    public const ushort Allocate = 0x003;
    public const ushort Refresh = 0x004;
    public const ushort Send = 0x006;
    public const ushort Data = 0x007;
    public const ushort CreatePermission = 0x008;
    public const ushort ChannelBind = 0x009;
}

/// <summary>The two class bits of a message type.</summary>
internal enum StunClass
{
    Request,
    Indication,
    Success,
    Error,
}

/// <summary>Attributes; those below 0x8000 must be understood.</summary>
internal static class StunAttribute
{
    public const ushort Username = 0x0006;
    public const ushort MessageIntegrity = 0x0008;
    public const ushort ErrorCode = 0x0009;
    public const ushort UnknownAttributes = 0x000a;
    public const ushort ChannelNumber = 0x000c;
    public const ushort Lifetime = 0x000d;
    public const ushort XorPeerAddress = 0x0012;
    public const ushort Data = 0x0013;
    public const ushort Realm = 0x0014;
    public const ushort Nonce = 0x0015;
    public const ushort XorRelayedAddress = 0x0016;
    public const ushort RequestedAddressFamily = 0x0017;
    public const ushort EvenPort = 0x0018;
    public const ushort RequestedTransport = 0x0019;
    public const ushort XorMappedAddress = 0x0020;
    public const ushort ReservationToken = 0x0022;
    public const ushort Fingerprint = 0x8028;

    /// <summary>Attributes from here on may be ignored.</summary>
    public const ushort FirstOptional = 0x8000;

    /// <summary>Whether a required attribute is understood here.</summary>
    public static bool IsKnown(ushort type) => type
        is Username or MessageIntegrity or ErrorCode or UnknownAttributes or ChannelNumber or Lifetime or XorPeerAddress
        or Data or Realm or Nonce or XorRelayedAddress or RequestedAddressFamily or EvenPort or RequestedTransport
        or XorMappedAddress or ReservationToken or >= FirstOptional;
}

/// <summary>An error as it goes over the wire.</summary>
internal readonly record struct StunError(int Code, string Reason)
{
    public static readonly StunError BadRequest = new(400, "Bad Request");
    public static readonly StunError Unauthorized = new(401, "Unauthorized");
    public static readonly StunError Forbidden = new(403, "Forbidden");
    public static readonly StunError UnknownAttribute = new(420, "Unknown Attribute");
    public static readonly StunError AllocationMismatch = new(437, "Allocation Mismatch");
    public static readonly StunError StaleNonce = new(438, "Stale Nonce");
    public static readonly StunError FamilyNotSupported = new(440, "Address Family not Supported");
    public static readonly StunError WrongCredentials = new(441, "Wrong Credentials");
    public static readonly StunError UnsupportedTransport = new(442, "Unsupported Transport");
    public static readonly StunError PeerFamilyMismatch = new(443, "Peer Address Family Mismatch");
    public static readonly StunError QuotaReached = new(486, "Allocation Quota Reached");
    public static readonly StunError InsufficientCapacity = new(508, "Insufficient Capacity");
}
