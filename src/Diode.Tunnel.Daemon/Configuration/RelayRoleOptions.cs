using System.Net;
using Diode.Tunnel.Relay.RelayPeers;
using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.Daemon.Configuration;

/// <summary>Settings of the relay role.</summary>
public sealed record RelayRoleOptions
{
    /// <summary>The file read when no other is named.</summary>
    public const string DefaultFile = "/etc/diode-tunnel/relay.json";

    /// <summary>Switches the port for relays off.</summary>
    public const string None = "none";

    /// <summary>Folder of the relay's key and tickets; created with mode 0700.</summary>
    public string StateDir { get; init; } = "/var/lib/diode-relay";

    /// <summary>Where devices connect, <c>address:port</c>; the port of the first is announced.</summary>
    public IReadOnlyList<string> Listen { get; init; } = ["0.0.0.0:41046"];

    /// <summary>Name or address others reach this relay by; null = the listening address, or one of this machine.</summary>
    public string? Host { get; init; }

    /// <summary>Name shown to people; null = made from address and machine name.</summary>
    public string? Name { get; init; }

    /// <summary>Where other relays connect, <c>address:port</c>; <c>none</c>: nowhere. Null = port 51055 if it is free.</summary>
    public string? PeerListen { get; init; }

    /// <summary>Relays to work with, <c>diode://0x…@host:port</c> with the port for relays; <c>public</c>: the public ones.</summary>
    public IReadOnlyList<string> Seeds { get; init; } = [];

    /// <summary>Addresses of further relays that are trusted to keep objects.</summary>
    public IReadOnlyList<string> RingMembers { get; init; } = [];

    /// <summary>Contract that lists relays, on Moonbeam; null = none.</summary>
    public string? RingRegistry { get; init; }

    /// <summary>Least level written to the log.</summary>
    public LogLevel LogLevel { get; init; } = LogLevel.Information;

    /// <summary>Chains to read, each <c>prefix=url</c>; several of one prefix are tried in turn.</summary>
    public IReadOnlyList<string> Chains { get; init; } = [];

    /// <summary>Whether meta transactions of clients are paid for with the relay's key.</summary>
    public bool PaysMetaTransactions { get; init; }

    /// <summary>UDP port of the exit for WireGuard clients; null = no exit.</summary>
    public int? WireGuardListen { get; init; }

    /// <summary>Name or address WireGuard clients are told; null = <see cref="Host"/>.</summary>
    public string? WireGuardHost { get; init; }

    /// <summary>The network WireGuard clients get their addresses from; null = a free one.</summary>
    public IPNetwork? WireGuardPool { get; init; }

    /// <summary>Most a WireGuard client may send, and receive, in megabits per second; 0 = no limit.</summary>
    public int WireGuardClientRate { get; init; } = 250;

    /// <summary>UDP port of TURN and STUN; 0 = neither. Null = STUN only, on port 19403 if it is free.</summary>
    public int? TurnListen { get; init; }

    /// <summary>IPv4 address that peers of TURN clients reach this machine by; null = found out.</summary>
    public IPAddress? TurnAddress { get; init; }

    /// <summary>Region of the relay as people see it; null = not told.</summary>
    public string? Region { get; init; }

    /// <summary>Where JSON-RPC is served over HTTP, <c>address:port</c>.</summary>
    public IReadOnlyList<string> RpcListen { get; init; } = [];

    /// <summary>Where JSON-RPC is served over HTTPS, <c>address:port</c>.</summary>
    public IReadOnlyList<string> RpcSecureListen { get; init; } = [];

    /// <summary>Certificate for HTTPS, PEM.</summary>
    public string? RpcCertificate { get; init; }

    /// <summary>Key of the certificate, PEM; null = in the same file.</summary>
    public string? RpcCertificateKey { get; init; }

    /// <summary>Where <c>/metrics</c> and <c>/healthz</c> are served, <c>address:port</c>.</summary>
    public IReadOnlyList<string> MetricsListen { get; init; } = [];

    /// <summary>All settings with their names in file, environment and command line.</summary>
    public static OptionTable<RelayRoleOptions> Table { get; } = new(
        "DIODE_RELAY_",
        [
            new("state-dir", "DIR", "Folder of the relay's key and tickets (default /var/lib/diode-relay).", false,
                (o, v) => o with { StateDir = OptionText.AbsolutePath(v[0]) }),
            new("listen", "ADDR:PORT", "Where devices connect; several with commas or repeated (default 0.0.0.0:41046).", true,
                (o, v) => o with { Listen = [.. v.Select(OptionText.ListenEndpoint)] }),
            new("host", "HOST", "Name or address others reach this relay by (default an address of this machine).", false,
                (o, v) => o with { Host = OptionText.HostName(v[0]) }),
            new("name", "TEXT", "Name of this relay as people see it.", false,
                (o, v) => o with { Name = v[0] }),
            new("peer-listen", "ADDR:PORT", "Where other relays connect, or none (default 0.0.0.0:51055 if it is free).", false,
                (o, v) => o with { PeerListen = v[0] == None ? None : OptionText.ListenEndpoint(v[0]) }),
            new("seed", "URI", "Another relay, diode://0x...@host:51055, or public; several with commas or repeated.", true,
                (o, v) => o with { Seeds = [.. v.Select(seed => seed == PeerOptions.Public ? seed : OptionText.RelayUri(seed))] }),
            new("ring-member", "0xADDRESS", "A relay trusted to keep objects, besides seeds; several with commas or repeated.", true,
                (o, v) => o with { RingMembers = [.. v.Select(OptionText.Address)] }),
            new("ring-registry", "0xADDRESS", "Contract on Moonbeam that lists such relays; needs an upstream (default none).", false,
                (o, v) => o with { RingRegistry = OptionText.Address(v[0]) }),
            new("log-level", "LEVEL", "trace, debug, info, warning or error (default info).", false,
                (o, v) => o with { LogLevel = OptionText.Level(v[0]) }),
            new("chain", "PREFIX=URL", "Read a chain through a JSON-RPC endpoint, e.g. glmr=https://host (prefixes diode, glmr, base, sapphire, av); repeated for more chains, or for more endpoints of one. Plain Elixir clients need glmr=URL, plain Go clients diode=URL; own devices need none.", true,
                (o, v) => o with { Chains = [.. v.Select(OptionText.Chain)] }),
            new("meta-transactions", "yes|no", "Pay for transactions that clients signed, with the key of the relay (default no).", false,
                (o, v) => o with { PaysMetaTransactions = OptionText.Flag(v[0]) }),
            new("wireguard-listen", "PORT", "Be an exit for WireGuard clients on this UDP port, usually 51820 (default: no exit).", false,
                (o, v) => o with { WireGuardListen = OptionText.Number(v[0], 1, 65535) }),
            new("wireguard-host", "HOST", "Name or address WireGuard clients are told (default: as --host).", false,
                (o, v) => o with { WireGuardHost = OptionText.HostName(v[0]) }),
            new("wireguard-pool", "NETWORK", "Network of the WireGuard clients' addresses (default 10.0.0.0/16, or a free one).", false,
                (o, v) => o with { WireGuardPool = OptionText.Ipv4Network(v[0]) }),
            new("wireguard-client-rate", "MBIT", "Most a WireGuard client may send, and receive, per second; 0 = no limit (default 250).", false,
                (o, v) => o with { WireGuardClientRate = OptionText.Number(v[0], 0, 100_000) }),
            new("turn-listen", "PORT", "Serve TURN and STUN on this UDP port, usually 19403; 0 = neither (default: STUN only, on 19403 if it is free).", false,
                (o, v) => o with { TurnListen = OptionText.Number(v[0], 0, 65535) }),
            new("turn-address", "ADDRESS", "IPv4 address the internet reaches this machine by, if it is behind a NAT (default: as --host).", false,
                (o, v) => o with { TurnAddress = OptionText.Ipv4Address(v[0]) }),
            new("region", "TEXT", "Where this relay is, as people say it, such as de (default: not told).", false,
                (o, v) => o with { Region = OptionText.Region(v[0]) }),
            new("rpc-listen", "ADDR:PORT", "Serve JSON-RPC and WebSocket over HTTP, usually on port 8545; several with commas or repeated (default: not served).", true,
                (o, v) => o with { RpcListen = [.. v.Select(OptionText.ListenEndpoint)] }),
            new("rpc-secure-listen", "ADDR:PORT", "The same over HTTPS, usually on port 8443; needs --rpc-certificate.", true,
                (o, v) => o with { RpcSecureListen = [.. v.Select(OptionText.ListenEndpoint)] }),
            new("rpc-certificate", "FILE", "Certificate chain for HTTPS, PEM.", false,
                (o, v) => o with { RpcCertificate = OptionText.AbsolutePath(v[0]) }),
            new("rpc-certificate-key", "FILE", "Key of the certificate, PEM (default: in the file of the certificate).", false,
                (o, v) => o with { RpcCertificateKey = OptionText.AbsolutePath(v[0]) }),
            new("metrics-listen", "ADDR:PORT", "Serve /metrics and /healthz, e.g. on 127.0.0.1:9146; they are for the operator only (default: not served).", true,
                (o, v) => o with { MetricsListen = [.. v.Select(OptionText.ListenEndpoint)] }),
        ]);
}
