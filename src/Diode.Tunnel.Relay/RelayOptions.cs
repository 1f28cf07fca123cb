using System.Net;
using Diode.Tunnel.Relay.RelayPeers;
using Diode.Tunnel.Relay.Sessions;
using Diode.Tunnel.Relay.Turn;
using Diode.Tunnel.Relay.WireGuardExit;

namespace Diode.Tunnel.Relay;

/// <summary>What a relay is started with.</summary>
public sealed record RelayOptions
{
    /// <summary>Port that real relays announce first.</summary>
    public const int DefaultPort = 41046;

    /// <summary>TCP endpoints for devices; the port of the first is announced. Default 0.0.0.0:41046.</summary>
    public IReadOnlyList<IPEndPoint> Listen { get; init; } = [new(IPAddress.Any, DefaultPort)];

    /// <summary>Host name or address announced to devices; null picks an address of this machine.</summary>
    public string? Host { get; init; }

    /// <summary>Folder for the key of the relay and the tickets.</summary>
    public string StateDirectory { get; init; } = "/var/lib/diode-relay";

    /// <summary>Name shown to people; null makes one from host name and address.</summary>
    public string? Name { get; init; }

    /// <summary>What devices may use.</summary>
    public RelayLimits Limits { get; init; } = new();

    /// <summary>Other relays to work with; null: the relay stands alone.</summary>
    public PeerOptions? Peers { get; init; }

    /// <summary>Chains that are read, each through JSON-RPC endpoints.</summary>
    public IReadOnlyList<Chains.ChainOptions> Chains { get; init; } = [];

    /// <summary>Whether transactions that clients signed are sent and paid for with the key of the relay.</summary>
    public bool PaysMetaTransactions { get; init; }

    /// <summary>The exit for WireGuard clients; null = none. Needs root and Linux.</summary>
    public WireGuardExitOptions? WireGuard { get; init; }

    /// <summary>TURN and STUN; null = none.</summary>
    public TurnOptions? Turn { get; init; }

    /// <summary>Where this relay is, as people say it ("de"); told after the version.</summary>
    public string? Region { get; init; }

    /// <summary>The JSON-RPC interface and the metrics; nothing by default.</summary>
    public Rpc.RpcOptions Rpc { get; init; } = new();
}
