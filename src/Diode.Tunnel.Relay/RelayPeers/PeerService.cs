using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Storage;
using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.Relay.RelayPeers;

/// <summary>
/// The relay's work with other relays, with everything that has threads or disks: links, ring, file. Start and stop once.
/// </summary>
internal sealed class PeerService : IAsyncDisposable
{
    private const int FileIntervalMs = 2000;
    private const ulong DiodeChain = 15;
    private const ushort EdgePort = RelayOptions.DefaultPort;
    private static readonly TimeSpan RegistryInterval = TimeSpan.FromHours(1);
    private static readonly TimeSpan RegistryRetry = TimeSpan.FromMinutes(1);

    private readonly PeerOptions _options;
    private readonly RelayCore _relay;
    private readonly RelayClock _clock;
    private readonly ILogger _logger;
    private readonly PeerHub _hub;
    private readonly PeerCore _core;
    private readonly PeerFile? _file;
    private readonly CancellationTokenSource _stop = new();
    private Task _writing = Task.CompletedTask;
    private Task _registry = Task.CompletedTask;
    private long _nextFileMs;

    /// <summary>Reads what an earlier run knew.</summary>
    /// <param name="options">Whom to work with.</param>
    /// <param name="relay">The relay; its <see cref="RelayCore.Network"/> is set.</param>
    /// <param name="hub">Bound already, since the server object names the port.</param>
    /// <param name="clock">The clock.</param>
    /// <param name="folder">Folder of the file.</param>
    /// <param name="logger">For events an operator cares about.</param>
    public PeerService(
        PeerOptions options, RelayCore relay, PeerHub hub, RelayClock clock, string folder, ILogger logger)
    {
        _options = options;
        _relay = relay;
        _hub = hub;
        _clock = clock;
        _logger = logger;
        var store = new DhtStore(relay.Address, blocks: TryFindBlock);
        _core = new PeerCore(relay.Address, relay.GetServer, store, GetKnownMembers()) { Devices = relay.RemoteDevices };
        Network = new PeerNetwork(_core, hub, () => clock.NowMs, options.Seeds.Select(ToTarget));
        _file = OpenFile(folder);
        relay.Network = Network;
        relay.Tickets.Accepted = Network.Publish;
    }

    /// <summary>What this relay does with the others.</summary>
    public PeerNetwork Network { get; }

    /// <summary>Begins to accept and to dial.</summary>
    public void Start()
    {
        _hub.Start(Network);
        if (_options.Registry is Address registry)
        {
            _registry = FollowRegistryAsync(registry, _stop.Token);
        }
    }

    /// <summary>Everything that has its time. A few times a second.</summary>
    public void Tick(long nowMs)
    {
        _hub.Tick(nowMs);
        Network.Tick(nowMs);
        if (_file is not null && nowMs >= _nextFileMs && _writing.IsCompleted)
        {
            _nextFileMs = nowMs + FileIntervalMs;
            _writing = Task.Run(() => _file.Write(_core));
        }
    }

    /// <summary>Counters and gauges by name.</summary>
    public IEnumerable<KeyValuePair<string, long>> ReadCounters()
    {
        return
        [
            .. _core.Counters.Read(),
            new("peer_links", _core.GetLinks().Count),
            new("peer_connections", _hub.ConnectionCount),
            new("peer_ring_members", _core.Ring.Count),
            new("peer_objects", _core.Store.Count),
            new("peer_object_bytes", _core.Store.Bytes),
            new("peer_objects_unreplicated", Network.UnreplicatedCount),
        ];
    }

    /// <summary>Closes all links and writes what is left.</summary>
    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await _hub.StopAsync();
        await _registry;
        await _writing;
        _file?.Write(_core);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _hub.Dispose();
        _file?.Dispose();
        _stop.Dispose();
        return ValueTask.CompletedTask;
    }

    // An operator may copy what a relay prints, which is its port for devices.
    private static PeerTarget ToTarget(RelayUri seed)
    {
        return new PeerTarget(seed.Address, seed.Host, seed.Port == EdgePort ? (ushort)PeerOptions.DefaultPort : seed.Port);
    }

    private IEnumerable<Address> GetKnownMembers()
    {
        return _options.Members.Concat(_options.Seeds.Select(seed => seed.Address));
    }

    private bool TryFindBlock(ulong number, out Hash256 hash)
    {
        Hash256? found = _relay.FindBlockHash(DiodeChain, number);
        hash = found ?? default;
        return found is not null;
    }

    private PeerFile? OpenFile(string folder)
    {
        PeerFile? file = null;
        try
        {
            file = new PeerFile(Path.Combine(folder, PeerFile.FileName), _logger);
            file.Load(_core, _clock.NowMs);
            return file;
        }
        catch (Exception exception) when (exception is SqliteMissingException or PlatformException)
        {
            // Others have the objects, and seeds are in the configuration: better than no relay.
            file?.Dispose();
            Log.PeersInMemory(_logger, exception.Message);
            return null;
        }
    }

    private async Task FollowRegistryAsync(Address registry, CancellationToken cancel)
    {
        await Task.Yield();
        try
        {
            while (true)
            {
                IReadOnlyList<Address>? found = _relay.Chains is null
                    ? null
                    : await RingRegistry.ReadAsync(_relay.Chains, _options.RegistryChain, registry, cancel);
                if (found is not null)
                {
                    // An unreadable registry changes nothing.
                    _core.SetMembers(found.Concat(GetKnownMembers()));
                    Log.RingChanged(_logger, _core.Ring.Count);
                }

                await Task.Delay(found is null ? RegistryRetry : RegistryInterval, cancel);
            }
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            // Stopped.
        }
    }
}
