using Diode.Tunnel.Engine.Exits;
using Diode.Tunnel.Engine.Paths;

namespace Diode.Tunnel.Engine;

/// <summary>What the device is doing as a whole.</summary>
public enum EngineRunState
{
    /// <summary>Nothing of the tunnel is in the system.</summary>
    Down,

    /// <summary>The adapter is there; no relay is connected yet.</summary>
    Connecting,

    /// <summary>At least one relay is connected.</summary>
    Up,

    /// <summary>An exit is wanted and none answers: traffic is refused.</summary>
    Blocked,

    /// <summary>The tunnel could not be brought up.</summary>
    Error,
}

/// <summary>Everything about the device at one moment. Immutable.</summary>
public sealed record EngineStatus
{
    /// <summary>State as a whole.</summary>
    public required EngineRunState State { get; init; }

    /// <summary>Why, for people; empty if there is nothing to say.</summary>
    public string Reason { get; init; } = "";

    /// <summary>This device.</summary>
    public required string Device { get; init; }

    /// <summary>X25519 public key of the data plane, base64.</summary>
    public required string TunnelKey { get; init; }

    /// <summary>Adapter, null while down.</summary>
    public string? Interface { get; init; }

    /// <summary>Longest packet in bytes.</summary>
    public int Mtu { get; init; }

    /// <summary>This device's virtual IPv4 address on this machine.</summary>
    public string Ipv4 { get; init; } = "";

    /// <summary>This device's virtual IPv6 address.</summary>
    public string Ipv6 { get; init; } = "";

    /// <summary>When the tunnel came up; null while down.</summary>
    public DateTimeOffset? Since { get; init; }

    /// <summary>Configured relays.</summary>
    public IReadOnlyList<RelayView> Relays { get; init; } = [];

    /// <summary>Fleets held.</summary>
    public IReadOnlyList<FleetView> Fleets { get; init; } = [];

    /// <summary>Devices of the fleets.</summary>
    public IReadOnlyList<PeerView> Peers { get; init; } = [];

    /// <summary>The regional tunnel.</summary>
    public required ExitView Exit { get; init; }

    /// <summary>Published ports.</summary>
    public IReadOnlyList<PublishView> Published { get; init; } = [];

    /// <summary>Devices whose ports may be used in clear text.</summary>
    public IReadOnlyList<string> ClearText { get; init; } = [];

    /// <summary>Local ports that lead to other devices.</summary>
    public IReadOnlyList<BindView> Binds { get; init; } = [];

    /// <summary>The perimeter this device has joined; null if none.</summary>
    public PerimeterView? Perimeter { get; init; }

    /// <summary>How names are resolved.</summary>
    public required NamesView Names { get; init; }

    /// <summary>What needs attention.</summary>
    public IReadOnlyList<HealthView> Health { get; init; } = [];

    /// <summary>Counters by name.</summary>
    public IReadOnlyDictionary<string, long> Counters { get; init; } = new Dictionary<string, long>();
}

/// <summary>A relay. For peers: not configured, but named by a peer as the place to meet it.</summary>
public sealed record RelayView(
    string Uri, string State, double? RoundTripMs, string? Error, long DroppedSends, bool IsForPeers, TicketView? Ticket);

/// <summary>What was paid to a relay in this epoch. Bytes.</summary>
public sealed record TicketView
{
    /// <summary>The relay.</summary>
    public required string Relay { get; init; }

    /// <summary>Where it was last reached.</summary>
    public required string Uri { get; init; }

    /// <summary>There is a session now.</summary>
    public bool IsConnected { get; init; }

    /// <summary>Number of the epoch.</summary>
    public ulong Epoch { get; init; }

    /// <summary>Bytes of the last ticket the relay accepted.</summary>
    public ulong Paid { get; init; }

    /// <summary>Connections of the last ticket.</summary>
    public ulong Connections { get; init; }

    /// <summary>What this device has seen go through.</summary>
    public ulong Counted { get; init; }

    /// <summary>Bytes used and not paid; 0 when paid ahead.</summary>
    public ulong Unpaid { get; init; }

    /// <summary>What the relay last said it counted; null if it said nothing.</summary>
    public ulong? Claimed { get; init; }

    /// <summary>Bytes of that claim that this device cannot confirm.</summary>
    public ulong Unconfirmed { get; init; }

    /// <summary>It claims far more than was moved.</summary>
    public bool IsOverclaimed { get; init; }

    /// <summary>Most bytes to sign for here; null = no limit.</summary>
    public ulong? Budget { get; init; }

    /// <summary>Nothing more is paid because of the budget.</summary>
    public bool IsBudgetReached { get; init; }

    /// <summary>When a ticket was last accepted.</summary>
    public DateTimeOffset? LastAccepted { get; init; }

    /// <summary>Times it had to ask for a ticket.</summary>
    public long Asked { get; init; }

    /// <summary>Tickets it refused at first.</summary>
    public long Refused { get; init; }

    /// <summary>The last refusal.</summary>
    public string? LastRefusal { get; init; }
}

/// <summary>All tickets of this epoch.</summary>
/// <param name="Relays">Each relay.</param>
/// <param name="SignedBytes">Bytes signed for at all relays together.</param>
/// <param name="Budget">Most bytes at all relays; null = no limit.</param>
/// <param name="BudgetPerRelay">Most bytes at each relay; null = no limit.</param>
/// <param name="UsedPercent">Of the budget that is nearest to its end.</param>
/// <param name="EpochEnds">When all begins at 0 again.</param>
public sealed record LedgerView(
    IReadOnlyList<TicketView> Relays, ulong SignedBytes, ulong? Budget, ulong? BudgetPerRelay, int UsedPercent, DateTimeOffset EpochEnds);

/// <summary>A fleet held by this device.</summary>
public sealed record FleetView(
    string Name,
    string Operator,
    long Version,
    DateTimeOffset Issued,
    DateTimeOffset Expires,
    string Assurance,
    bool IsMember,
    bool IsOperated,
    IReadOnlyList<MemberView> Members)
{
    /// <summary>Prefix of the chain whose contract decides; null for a manifest.</summary>
    public string? Chain { get; init; }
}

/// <summary>A member of a fleet.</summary>
public sealed record MemberView(string Device, string Label, IReadOnlyList<string> Roles, string? Ipv4, string? Ipv6);

/// <summary>A device that this one can reach.</summary>
public sealed record PeerView
{
    /// <summary>The device.</summary>
    public required string Device { get; init; }

    /// <summary>Label in its fleet.</summary>
    public string Label { get; init; } = "";

    /// <summary>Name of the fleet.</summary>
    public string Fleet { get; init; } = "";

    /// <summary>IPv4 address on this machine.</summary>
    public string Ipv4 { get; init; } = "";

    /// <summary>IPv6 address.</summary>
    public string Ipv6 { get; init; } = "";

    /// <summary>Why the IPv4 address is an alias; null if it is the device's own.</summary>
    public string? Alias { get; init; }

    /// <summary>It answers now.</summary>
    public bool Online { get; init; }

    /// <summary>The way in use.</summary>
    public PathKind Path { get; init; }

    /// <summary>Who carries it.</summary>
    public string Via { get; init; } = "";

    /// <summary>Why this path.</summary>
    public string PathReason { get; init; } = "";

    /// <summary>Last completed WireGuard handshake.</summary>
    public DateTimeOffset? LastHandshake { get; init; }

    /// <summary>Bytes received from the peer inside the tunnel.</summary>
    public long RxBytes { get; init; }

    /// <summary>Bytes sent to the peer inside the tunnel.</summary>
    public long TxBytes { get; init; }

    /// <summary>Round trip in milliseconds, by probes on a UDP path, else over the control channel.</summary>
    public double? RoundTripMs { get; init; }
}

/// <summary>The regional tunnel.</summary>
public sealed record ExitView
{
    /// <summary>State as a client.</summary>
    public required ExitClientState State { get; init; }

    /// <summary>What the user wants.</summary>
    public string? Wanted { get; init; }

    /// <summary>The device in use.</summary>
    public string? InUse { get; init; }

    /// <summary>Region of the exit in use.</summary>
    public string? Region { get; init; }

    /// <summary>Why.</summary>
    public string Reason { get; init; } = "";

    /// <summary>The local network stays reachable.</summary>
    public bool AllowLan { get; init; }

    /// <summary>Offers of fleet members.</summary>
    public IReadOnlyList<ExitOfferView> Offers { get; init; } = [];

    /// <summary>Region this device offers; null if none.</summary>
    public string? OfferedRegion { get; init; }

    /// <summary>The own offer carries IPv4.</summary>
    public bool OffersIpv4 { get; init; }

    /// <summary>The own offer carries IPv6.</summary>
    public bool OffersIpv6 { get; init; }

    /// <summary>Devices using this device's exit.</summary>
    public int Clients { get; init; }
}

/// <summary>An exit offered by a fleet member.</summary>
public sealed record ExitOfferView(
    string Device, string Label, string Region, bool Ipv4, bool Ipv6, double? RoundTripMs, string Assurance, bool Online, bool InUse);

/// <summary>A published port.</summary>
public sealed record PublishView(string Port, IReadOnlyList<string> To)
{
    /// <summary><c>public</c>, <c>protected</c> or <c>private</c> for a definition of the Diode clients; null for a rule of the tunnel.</summary>
    public string? Mode { get; init; }

    /// <summary>Where the service of a definition is; null for a rule of the tunnel, which leads to this device.</summary>
    public string? Target { get; init; }

    /// <summary>Devices of the tunnel reach it by this device's virtual address.</summary>
    public bool InTunnel { get; init; }

    /// <summary>How plain Diode devices may open it: <c>tls</c>, <c>tcp</c>, <c>udp</c>.</summary>
    public IReadOnlyList<string> Plain { get; init; } = [];

    /// <summary>It is there because of the perimeter, not by hand.</summary>
    public bool IsPerimeters { get; init; }
}

/// <summary>A local port that leads to a port of another device; <paramref name="Problem"/> is null while it listens.</summary>
public sealed record BindView(int Local, string To, int Port, string Protocol, string? Problem)
{
    /// <summary>It is there because of the perimeter, not by hand.</summary>
    public bool IsPerimeters { get; init; }
}

/// <summary>How names are resolved.</summary>
public sealed record NamesView(string Mode, string? Through, IReadOnlyList<string> Upstreams);

/// <summary>Something that needs attention.</summary>
public sealed record HealthView(string Code, bool IsError, string Text, string? Fix);
