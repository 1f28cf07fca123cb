namespace Diode.Tunnel.Control.Models;

/// <summary>Everything a person or a program wants to know about the daemon in one document: <c>GET /v1/status</c>.</summary>
public sealed record DaemonStatus
{
    private static readonly IReadOnlyDictionary<string, long> NoCounters = new Dictionary<string, long>();

    /// <summary>See <see cref="ControlSchema.Version"/>.</summary>
    public int SchemaVersion { get; init; } = ControlSchema.Version;

    /// <summary>Version of the daemon.</summary>
    public required string Version { get; init; }

    /// <summary>What the tunnel as a whole is doing.</summary>
    public required DaemonState State { get; init; }

    /// <summary>Why it is in that state, one line for people; null when there is nothing to explain.</summary>
    public string? StateReason { get; init; }

    /// <summary>This device's address, lower-case <c>0x…</c>.</summary>
    public required string Device { get; init; }

    /// <summary>Name of the adapter, null while there is none.</summary>
    public string? Interface { get; init; }

    /// <summary>Mtu of the adapter in bytes, null while there is none.</summary>
    public int? Mtu { get; init; }

    /// <summary>This device's own virtual IPv4 address.</summary>
    public string? VirtualIpv4 { get; init; }

    /// <summary>This device's own virtual IPv6 address.</summary>
    public string? VirtualIpv6 { get; init; }

    /// <summary>When the tunnel came up, UTC; null while it is down.</summary>
    public DateTimeOffset? Since { get; init; }

    /// <summary>The relays this device keeps sessions with.</summary>
    public IReadOnlyList<RelayStatus> Relays { get; init => field = value ?? []; } = [];

    /// <summary>The fleets this device belongs to or operates.</summary>
    public IReadOnlyList<FleetSummary> Fleets { get; init => field = value ?? []; } = [];

    /// <summary>The devices this one can reach.</summary>
    public IReadOnlyList<PeerStatus> Peers { get; init => field = value ?? []; } = [];

    /// <summary>The regional tunnel, in use and offered.</summary>
    public ExitStatus Exit { get; init => field = value ?? ExitStatus.Off; } = ExitStatus.Off;

    /// <summary>What this device lets others reach.</summary>
    public IReadOnlyList<PublishRule> Publish { get; init => field = value ?? []; } = [];

    /// <summary>The perimeter this device has joined; null if none.</summary>
    public PerimeterStatus? Perimeter { get; init; }

    /// <summary>How names are resolved.</summary>
    public DnsStatus Dns { get; init => field = value ?? DnsStatus.Off; } = DnsStatus.Off;

    /// <summary>What needs a person's attention.</summary>
    public IReadOnlyList<HealthWarning> Health { get; init => field = value ?? []; } = [];

    /// <summary>Named counters and gauges (see <c>GET /v1/metrics</c>); names ending in <c>_total</c> only grow.</summary>
    public IReadOnlyDictionary<string, long> Counters { get; init => field = value ?? NoCounters; } = NoCounters;
}
