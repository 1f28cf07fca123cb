using Diode.Tunnel.Edge;
using Diode.Tunnel.Engine.Paths;
using Diode.Tunnel.Engine.Tickets;

namespace Diode.Tunnel.Engine;

/// <summary>Configuration of a device.</summary>
public sealed record EngineOptions
{
    /// <summary>Folder of keys, manifests, state and journal; 0700. Default <c>/var/lib/diode-tunnel</c>.</summary>
    public string StateDirectory { get; init; } = "/var/lib/diode-tunnel";

    /// <summary>Name of the adapter. Default <c>diode0</c>.</summary>
    public string InterfaceName { get; init; } = "diode0";

    /// <summary>Longest packet inside the tunnel in bytes, 1280 to 1420. Default 1420; relay streams carry any size.</summary>
    public int Mtu { get; init; } = 1420;

    /// <summary>Relays as <c>diode://0x…@host:port</c>.</summary>
    public IReadOnlyList<string> Relays { get; init; } = [];

    /// <summary>Pool of IPv4 addresses used on this machine. Default <c>100.64.0.0/10</c>.</summary>
    public string Ipv4Pool { get; init; } = "100.64.0.0/10";

    /// <summary>Manifest files to watch: a change in them takes effect within two seconds.</summary>
    public IReadOnlyList<string> ManifestFiles { get; init; } = [];

    /// <summary>Whether the machine's resolver is pointed at ours. Default true.</summary>
    public bool ConfigureDns { get; init; } = true;

    /// <summary>Devices whose ports are refused whatever is published (diode-client §13.3).</summary>
    public IReadOnlyList<string> BlockedDevices { get; init; } = [];

    /// <summary>If not empty and nobody is blocked, every other device's ports are refused.</summary>
    public IReadOnlyList<string> AllowedDevices { get; init; } = [];

    /// <summary>Most ports one plain Diode device may have open here at the same time; 0 = no limit of its own. Default 256.</summary>
    public int MaxPortsPerDevice { get; init; } = 256;

    /// <summary>Most bytes to pay relays for in 30 days, unless the user chooses otherwise. Default no limit.</summary>
    public TrafficBudget TrafficBudget { get; init; } = TrafficBudget.None;

    /// <summary>Chain of the tickets. Default 1284 (Moonbeam); 15 (Diode L1) makes tickets of version 1.</summary>
    public ulong TicketChain { get; init; } = EdgeLimits.DefaultChainId;

    /// <summary>Whether to ask relays for deflated frames. Default no: what goes through is encrypted.</summary>
    public bool CompressRelays { get; init; }

    /// <summary>Which ways to peers may be used. Default all.</summary>
    public PathChoice Paths { get; init; } = PathChoice.Auto;

    /// <summary>UDP port for direct paths; another is used if it is taken. 0: any. Default 41042.</summary>
    public int UdpPort { get; init; } = 41042;

    /// <summary>Whether the gateway is asked to forward <see cref="UdpPort"/> (PCP, NAT-PMP, UPnP). Default true.</summary>
    public bool MapPorts { get; init; } = true;

    /// <summary>JSON-RPC endpoints of chains, as in <c>glmr=https://…</c>; several of a chain vouch for each other.</summary>
    public IReadOnlyList<string> Chains { get; init; } = [];

    /// <summary>How many endpoints have to agree before a device is admitted. Default 2; 1 trusts a single one.</summary>
    public int ChainQuorum { get; init; } = 2;

    /// <summary>How long the members of a contract count while the chain can't be read. Default 3 days.</summary>
    public TimeSpan ChainStaleness { get; init; } = TimeSpan.FromDays(3);

    /// <summary>The block that Diode L1 is followed from, <c>NUMBER=0x…</c>; null for the public chain's. Another one makes another chain.</summary>
    public string? L1Anchor { get; init; }

    /// <summary>
    /// Name services that <c>NAME.diode</c> is looked up at, the first that knows it counts: chains, or <c>CHAIN=0x…</c> for another contract
    /// than the usual one. Default none.
    /// </summary>
    public IReadOnlyList<string> NameServices { get; init; } = [];

    /// <summary>Exit directories, <c>CHAIN=0x…</c>. Default none.</summary>
    public IReadOnlyList<string> ExitDirectories { get; init; } = [];

    /// <summary>Version of the program, told to peers.</summary>
    public string Version { get; init; } = "0.1.0";
}
