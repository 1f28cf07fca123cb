using System.Net;
using Diode.Tunnel.Control;
using Diode.Tunnel.Engine.Paths;
using Diode.Tunnel.Platform;
using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.Daemon.Configuration;

/// <summary>Settings of the device role.</summary>
public sealed record DaemonOptions
{
    /// <summary>The file read when no other is named.</summary>
    public const string DefaultFile = "/etc/diode-tunnel/config.json";

    /// <summary>Folder of keys, manifests and journal; created with mode 0700.</summary>
    public string StateDir { get; init; } = "/var/lib/diode-tunnel";

    /// <summary>The control socket.</summary>
    public string Socket { get; init; } = ControlEndpoint.DefaultPath;

    /// <summary>Name of the adapter.</summary>
    public string Interface { get; init; } = "diode0";

    /// <summary>Mtu of the adapter in bytes.</summary>
    public int Mtu { get; init; } = 1420;

    /// <summary>The relays to keep sessions with, <c>diode://0x…@host:port</c>.</summary>
    public IReadOnlyList<string> Relays { get; init; } = [];

    /// <summary>The network virtual IPv4 addresses are taken from.</summary>
    public IPNetwork Ipv4Pool { get; init; } = IPNetwork.Parse("100.64.0.0/10");

    /// <summary>User id that may control the daemon besides root and the daemon's own; null = nobody.</summary>
    public uint? OperatorUid { get; init; }

    /// <summary>Manifest files to watch; a change in one takes effect within two seconds.</summary>
    public IReadOnlyList<string> Manifests { get; init; } = [];

    /// <summary>Whether the machine's resolver is pointed at ours, so that names under .diode work everywhere.</summary>
    public bool ConfigureDns { get; init; } = true;

    /// <summary>Ways to peers that may be used.</summary>
    public PathChoice Paths { get; init; } = PathChoice.Auto;

    /// <summary>UDP port for direct paths; 0 = any.</summary>
    public int UdpPort { get; init; } = 41042;

    /// <summary>Whether the gateway is asked to forward the UDP port.</summary>
    public bool MapPorts { get; init; } = true;

    /// <summary>Plain Diode devices whose ports are refused whatever is published.</summary>
    public IReadOnlyList<string> BlockDevices { get; init; } = [];

    /// <summary>If not empty and nobody is blocked, ports of all other plain Diode devices are refused.</summary>
    public IReadOnlyList<string> AllowDevices { get; init; } = [];

    /// <summary>Most ports one plain Diode device may have open here; 0 = no limit of its own.</summary>
    public int MaxPorts { get; init; } = 256;

    /// <summary>Most bytes that relays are paid for in 30 days, all together; null = no limit.</summary>
    public long? TrafficBudget { get; init; }

    /// <summary>The same at each relay.</summary>
    public long? TrafficBudgetPerRelay { get; init; }

    /// <summary>Chain of the tickets: 1284 Moonbeam, 15 Diode L1, or another number.</summary>
    public int TicketChain { get; init; } = 1284;

    /// <summary>JSON-RPC endpoints of chains, <c>CHAIN=URL</c>.</summary>
    public IReadOnlyList<string> Chains { get; init; } = [];

    /// <summary>Name services, <c>CHAIN</c> or <c>CHAIN=0x…</c>.</summary>
    public IReadOnlyList<string> NameServices { get; init; } = ["glmr"];

    /// <summary>Exit directories, <c>CHAIN=0x…</c>.</summary>
    public IReadOnlyList<string> ExitDirectories { get; init; } = [];

    /// <summary>How many endpoints of a chain have to agree.</summary>
    public int ChainQuorum { get; init; } = 2;

    /// <summary>How long the members of a contract count while the chain can't be read, hours.</summary>
    public int ChainStaleness { get; init; } = 72;

    /// <summary>The block that Diode L1 is followed from, <c>NUMBER=0x…</c>; null = the public chain's.</summary>
    public string? L1Anchor { get; init; }

    /// <summary>Whether to ask relays for deflated frames.</summary>
    public bool CompressRelays { get; init; }

    /// <summary>Work on many packets at once that is left to the kernel; each kind is tested before it is used.</summary>
    public OffloadSwitches Offloads { get; init; } = OffloadSwitches.All;

    /// <summary>Least level written to the log.</summary>
    public LogLevel LogLevel { get; init; } = LogLevel.Information;

    /// <summary>The journal of system changes: what <c>diode-tunneld reset</c> undoes.</summary>
    public string JournalPath => Path.Combine(StateDir, "changes.journal");

    /// <summary>All settings with their names in file, environment and command line.</summary>
    public static OptionTable<DaemonOptions> Table { get; } = new(
        "DIODE_TUNNEL_",
        [
            new("state-dir", "DIR", "Folder of keys, manifests and journal (default /var/lib/diode-tunnel).", false,
                (o, v) => o with { StateDir = OptionText.AbsolutePath(v[0]) }),
            new("socket", "FILE", "Control socket (default /run/diode-tunnel/daemon.sock).", false,
                (o, v) => o with { Socket = OptionText.AbsolutePath(v[0]) }),
            new("interface", "NAME", "Name of the adapter, at most 15 characters (default diode0).", false,
                (o, v) => o with { Interface = OptionText.InterfaceName(v[0]) }),
            new("mtu", "BYTES", "Mtu of the adapter, 1280 to 1420 (default 1420).", false,
                (o, v) => o with { Mtu = OptionText.Number(v[0], 1280, 1420) }),
            new("relays", "URI", "Relay to use, diode://0x…@host:port; several with commas or repeated.", true,
                (o, v) => o with { Relays = [.. v.Select(OptionText.RelayUri)] }),
            new("ipv4-pool", "NETWORK", "Network of the virtual IPv4 addresses (default 100.64.0.0/10).", false,
                (o, v) => o with { Ipv4Pool = OptionText.Ipv4Network(v[0]) }),
            new("manifests", "FILE", "Fleet manifest to watch; several with commas or repeated.", true,
                (o, v) => o with { Manifests = [.. v.Select(OptionText.AbsolutePath)] }),
            new("configure-dns", "YES|NO", "Point the machine's resolver at ours (default yes).", false,
                (o, v) => o with { ConfigureDns = OptionText.Flag(v[0]) }),
            new("operator", "USER", "User (name or id) who may control the daemon besides root.", false,
                (o, v) => o with { OperatorUid = OptionText.User(v[0]) }),
            new("log-level", "LEVEL", "trace, debug, info, warning or error (default info).", false,
                (o, v) => o with { LogLevel = OptionText.Level(v[0]) }),
            new("block-devices", "ADDRESS", "Device that may open no port here, whatever is published; several with commas or repeated.", true,
                (o, v) => o with { BlockDevices = [.. v.Select(OptionText.Address)] }),
            new("allow-devices", "ADDRESS", "Only these devices may open ports here; not used while devices are blocked.", true,
                (o, v) => o with { AllowDevices = [.. v.Select(OptionText.Address)] }),
            new("max-ports", "NUMBER", "Most ports a plain Diode device may have open here, 0 = no limit of its own (default 256).", false,
                (o, v) => o with { MaxPorts = OptionText.Number(v[0], 0, 65535) }),
            new("traffic-budget", "SIZE", "Most that relays are paid for in 30 days, such as 50GB, or off (default off).", false,
                (o, v) => o with { TrafficBudget = OptionText.Size(v[0]) }),
            new("traffic-budget-per-relay", "SIZE", "The same at each relay (default off).", false,
                (o, v) => o with { TrafficBudgetPerRelay = OptionText.Size(v[0]) }),
            new("ticket-chain", "ID", "Chain id of the tickets (default 1284, Moonbeam; 15, Diode L1, makes tickets of version 1).", false,
                (o, v) => o with { TicketChain = OptionText.Number(v[0], 1, int.MaxValue) }),
            new("chain", "CHAIN=URL", "JSON-RPC endpoint to read fleet contracts by; CHAIN is diode, glmr, base, sapphire, av or an id; several of independent operators (default: the relays are asked).", true,
                (o, v) => o with { Chains = [.. v] }),
            new("name-services", "CHAIN", "Name service that NAME.diode is looked up at, or CHAIN=0x… for another contract; several with commas or repeated, off: none (default glmr).", true,
                (o, v) => o with { NameServices = [.. v.Where(static name => name != "off")] }),
            new("exit-directories", "LIST", "Exit directories whose entries exit list shows, each CHAIN=0x…, with commas or repeated (default none).", true,
                (o, v) => o with { ExitDirectories = [.. v] }),
            new("chain-quorum", "NUMBER", "How many endpoints of a chain have to agree before a device is admitted (default 2).", false,
                (o, v) => o with { ChainQuorum = OptionText.Number(v[0], 1, 100) }),
            new("chain-staleness", "HOURS", "How long the members of a contract count while the chain can't be read (default 72).", false,
                (o, v) => o with { ChainStaleness = OptionText.Number(v[0], 1, 8760) }),
            new("l1-anchor", "NUMBER=HASH", "Block that Diode L1 is followed from, for private chains (default: the public chain's).", false,
                (o, v) => o with { L1Anchor = v[0] }),
            new("paths", "WAYS", "Ways to peers: auto, relay (peers do not learn this machine's addresses) or stream (no UDP; default auto).", false,
                (o, v) => o with { Paths = OptionText.Paths(v[0]) }),
            new("udp-port", "PORT", "UDP port for direct paths; another if it is taken, 0 = any (default 41042).", false,
                (o, v) => o with { UdpPort = OptionText.Number(v[0], 0, 65535) }),
            new("offloads", "LIST", "Work left to the kernel: all, none, tun-tcp, tun-udp, tun-merge, tun-merge-udp, udp-segment, udp-merge; -NAME leaves it out (default all).", true,
                (o, v) => o with { Offloads = OptionText.Offloads(v) }),
            new("map-ports", "YES|NO", "Ask the gateway by PCP, NAT-PMP or UPnP to forward the UDP port (default yes).", false,
                (o, v) => o with { MapPorts = OptionText.Flag(v[0]) }),
            new("compress-relays", "YES|NO", "Ask relays for deflated frames; rarely pays, for traffic is encrypted (default no).", false,
                (o, v) => o with { CompressRelays = OptionText.Flag(v[0]) }),
        ]);
}
