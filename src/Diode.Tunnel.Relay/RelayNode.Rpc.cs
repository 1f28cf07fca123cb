using System.Net;
using Diode.Tunnel.Relay.Rpc;

namespace Diode.Tunnel.Relay;

/// <content>The JSON-RPC interface and the metrics.</content>
public sealed partial class RelayNode
{
    // The other numbers only ever grow.
    private static readonly HashSet<string> Gauges = new(StringComparer.Ordinal)
    {
        "sessions", "devices", "connections", "port_ends", "physical_ports", "accounts", "wireguard_clients", "websockets",
        "peer_links", "peer_contacts", "ring_members", "objects", "dht_objects",
    };

    private RpcServer? _rpc;
    private RpcMethods? _rpcMethods;
    private RpcProxy? _rpcProxy;
    private DeviceSockets? _sockets;

    /// <summary>Where the JSON-RPC interface is served, once started; HTTPS last.</summary>
    public IReadOnlyList<IPEndPoint> RpcEndpoints => _rpc?.Endpoints ?? [];

    /// <summary>Where the metrics are served, once started.</summary>
    public IReadOnlyList<IPEndPoint> MetricsEndpoints => _rpc?.MetricsEndpoints ?? [];

    /// <summary>As <see cref="Start"/>, with the services that bind their ports only now.</summary>
    /// <exception cref="Platform.PlatformException">A port cannot be used.</exception>
    public async Task StartAsync()
    {
        if (_rpc is not null)
        {
            await _rpc.StartAsync();
            foreach (IPEndPoint endpoint in RpcEndpoints)
            {
                Log.ServingRpc(_logger, endpoint);
            }

            foreach (IPEndPoint endpoint in MetricsEndpoints)
            {
                Log.ServingMetrics(_logger, endpoint);
            }
        }

        Start();
    }

    private void CreateRpc(RpcOptions options, string host)
    {
        var identity = new RpcIdentity(_key, _core.Announcement);
        var usage = new UsageHistory(_core);
        _rpcProxy = new RpcProxy(options.ProxyPort, host);
        _rpcMethods = new RpcMethods(_core, _chains, identity, usage, _rpcProxy, _time);
        _chains.UseLocalMethods(_rpcMethods);
        _sockets = new DeviceSockets(_core.Counters);
        _core.Listeners = _sockets;
        var services = new RpcServices(
            _core, _chains, new RpcCore(_rpcMethods, _core.Counters), _sockets, identity, _time);
        var metrics = new MetricsPage(
            () => ReadCounters().Where(pair => !Gauges.Contains(pair.Key)),
            () => ReadCounters().Where(pair => Gauges.Contains(pair.Key)),
            () => !_stopped && !_timer.IsCompleted);
        _rpc = new RpcServer(options, services, usage, metrics);
    }

    private async Task StopRpcAsync()
    {
        if (_rpc is not null)
        {
            await _rpc.DisposeAsync();
        }

        _rpcProxy?.Dispose();
    }
}
