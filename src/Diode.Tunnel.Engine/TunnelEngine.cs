using System.Collections.Frozen;
using System.Net;
using Diode.Tunnel.Edge;
using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Engine.Addressing;
using Diode.Tunnel.Engine.Exits;
using Diode.Tunnel.Engine.Filtering;
using Diode.Tunnel.Engine.Identity;
using Diode.Tunnel.Engine.Membership;
using Diode.Tunnel.Engine.Peers;
using Diode.Tunnel.Engine.PerimeterWireGuard;
using Diode.Tunnel.Engine.PlainPeers;
using Diode.Tunnel.Engine.Relays;
using Diode.Tunnel.Engine.State;
using Diode.Tunnel.Engine.Tickets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Network;
using Diode.Tunnel.Platform.Tls;
using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.Engine;

/// <summary>
/// The device role: identity, adapter, relays, peers, fleets, exits and names put together. Public methods may be called from any
/// thread; the work happens on the engine loop. Two phases: started (keys, fleets and state are loaded, API answers) and up (the
/// adapter exists and packets flow).
/// </summary>
public sealed partial class TunnelEngine : IAsyncDisposable
{
    private const string JournalName = "changes.journal";

    private readonly EngineOptions _options;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly EngineClock _clock;
    private readonly EngineLoop _loop;
    private readonly PacketPool _pool = new();
    private readonly AddressPool _addressPool;
    private readonly IReadOnlyList<RelayUri> _relayUris;
    private readonly DeviceKeys _keys;
    private readonly TlsIdentity _tlsIdentity;
    private readonly SystemChanges _changes;
    private readonly EngineStateFile _state;
    private readonly ManifestStore _manifests;
    private readonly ManifestFileSource[] _manifestFiles;
    private readonly TicketLedger _ledger;
    private readonly RelayPool _relays;
    private readonly PeerMesh _mesh;
    private readonly RelayFinder _relayFinder;
    private readonly PacketFilter _filter;
    private readonly ExitServer _exitServer;
    private readonly ExitRouting _exitRouting;
    private readonly ExitClient _exitClient;
    private readonly InboxBudget _inboxes = new();
    private readonly TlsSessionCache _tlsSessions;
    private readonly PerimeterInterface _perimeterInterface;
    private readonly FrozenSet<Address> _blocked;
    private readonly FrozenSet<Address> _allowed;
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private UpState? _up;
    private string? _ledgerProblem;
    private string _problem = "";
    private string _problemHint = "";
    private bool _disposed;

    private TunnelEngine(EngineOptions options, ILoggerFactory loggers, TimeProvider time)
    {
        _options = options;
        _logger = loggers.CreateLogger<TunnelEngine>();
        _time = time;
        _clock = new EngineClock(time);
        _addressPool = AddressPool.TryParse(options.Ipv4Pool, out AddressPool? pool)
            ? pool
            : throw new TunnelException(
                $"The IPv4 pool '{options.Ipv4Pool}' is not a network such as 100.64.0.0/10 (prefix 8 to 24).",
                "Correct ipv4Pool in the configuration.");
        _relayUris = [.. options.Relays.Select(ParseRelay)];
        _state = new EngineStateFile(Path.Combine(options.StateDirectory, "state.json"));
        _keys = DeviceKeys.LoadOrCreate(options.StateDirectory);
        Span<byte> identity = stackalloc byte[32];
        _keys.Identity.CopyTo(identity);
        _tlsIdentity = new TlsIdentity(DeviceCertificate.Create(_keys.Identity), identity);
        System.Security.Cryptography.CryptographicOperations.ZeroMemory(identity);
        _changes = SystemChanges.Open(Path.Combine(options.StateDirectory, JournalName));
        _manifests = new ManifestStore(FleetFolder, WriteFleetFile);
        _manifestFiles = [.. options.ManifestFiles.Select(path => new ManifestFileSource(path, _manifests))];
        OpenChains();
        _loop = new EngineLoop(_logger, time);
        _filter = new PacketFilter();
        _ledger = new TicketLedger(
            new TicketLedgerFile(Path.Combine(options.StateDirectory, TicketLedgerFile.FileName)), options.TrafficBudget, time);
        _relays = new RelayPool(Connect, RecallAddress, _ledger, _loop.TryPost, _logger, time);
        _tlsSessions = new TlsSessionCache(time: time);
        _plainServer = new PlainServer(_tlsIdentity, _tlsSessions, _logger, time, options.MaxPortsPerDevice);
        _blocked = ReadDevices(options.BlockedDevices);
        _allowed = ReadDevices(options.AllowedDevices);
        _mesh = new PeerMesh(_keys.Device, _tlsIdentity, _relays, _loop, this, _logger, time);
        _exitServer = new ExitServer(_changes, _logger);
        _relayFinder = new RelayFinder(_relays, _loop, _time);
        _perimeterInterface = new PerimeterInterface(this, _changes, _keys.Device, _pool, _logger, _time, _clock);
        _exitRouting = new ExitRouting(_changes, _addressPool);
        _exitClient = new ExitClient(_exitRouting, _mesh, OnExitChanged, _logger, time);
    }

    /// <summary>This device's address.</summary>
    public string Device => _keys.Device.ToString();

    /// <summary>
    /// Loads identity, fleets and state, cleans up after a dead predecessor, and brings the tunnel up if it was up. A failure to bring
    /// it up is a state, not an exception: the API must answer.
    /// </summary>
    /// <exception cref="TunnelException">The state folder cannot be used.</exception>
    /// <exception cref="PlatformException">Another daemon runs on the same state folder.</exception>
    public static async Task<TunnelEngine> StartAsync(EngineOptions options, ILoggerFactory loggers, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(loggers);
        PrepareFolder(options.StateDirectory);
        TunnelEngine engine = new(options, loggers, time);
        engine._loop.Start(engine.Tick);
        await engine._loop.InvokeAsync(engine.LoadState).ConfigureAwait(false);
        if (engine._state.Current.WantUp)
        {
            await engine._loop.InvokeAsync(() => engine.TryUp()).ConfigureAwait(false);
        }

        return engine;
    }

    /// <summary>Brings the tunnel up and remembers that it is wanted.</summary>
    /// <exception cref="TunnelException">It cannot be brought up; nothing stays half-configured.</exception>
    public Task UpAsync(CancellationToken cancellation)
    {
        return _loop.InvokeAsync(
            () =>
            {
                _state.Update(_state.Current with { WantUp = true });
                if (_up is null && !TryUp())
                {
                    throw new TunnelException(_problem, _problemHint);
                }
            },
            cancellation);
    }

    /// <summary>Takes the tunnel down: every change to the system is undone. Remembered until the next up.</summary>
    public Task DownAsync(CancellationToken cancellation)
    {
        return _loop.InvokeAsync(
            () =>
            {
                _state.Update(_state.Current with { WantUp = false });
                TakeDown("the tunnel was taken down");
                _problem = "";
            },
            cancellation);
    }

    /// <summary>Takes the tunnel down, releases the exit and undoes every journalled change, also of dead predecessors.</summary>
    public Task ResetAsync(CancellationToken cancellation)
    {
        return _loop.InvokeAsync(
            () =>
            {
                _state.Update(_state.Current with { WantUp = false, Exit = null });
                TakeDown("reset");
                _changes.Recover();
                _changes.UndoAll();
                _problem = "";
            },
            cancellation);
    }

    /// <summary>Completes when the status may have changed, at the latest after <paramref name="timeout"/>.</summary>
    public async Task WaitForChangeAsync(TimeSpan timeout, CancellationToken cancellation)
    {
        try
        {
            await Volatile.Read(ref _changed).Task.WaitAsync(timeout, _time, cancellation).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // Counters move without an event.
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        await _loop.InvokeAsync(() => TakeDown("the daemon is stopping")).ConfigureAwait(false);
        await CloseChainsAsync().ConfigureAwait(false);
        await _loop.DisposeAsync().ConfigureAwait(false);
        _perimeterInterface.Dispose();
        _changes.Dispose();
        _tlsSessions.Dispose();
        _tlsIdentity.Dispose();
        _keys.Dispose();
    }

    private static RelayUri ParseRelay(string text)
    {
        return RelayUri.TryParse(text, out RelayUri? uri)
            ? uri
            : throw new TunnelException(
                $"The relay '{text}' is not of the form diode://0x…@host:port.",
                "Copy the line that diode-relay prints when it starts.");
    }

    private static FrozenSet<Address> ReadDevices(IReadOnlyList<string> texts)
    {
        return texts.Select(static text => Address.TryParse(text, out Address device)
            ? device
            : throw new TunnelException($"'{text}' is not a device address.", "An address is 0x and 40 hexadecimal digits."))
            .ToFrozenSet();
    }

    private static void PrepareFolder(string folder)
    {
        try
        {
            if (OperatingSystem.IsWindows())
            {
                Directory.CreateDirectory(folder);
            }
            else
            {
                Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TunnelException(
                $"The state folder {folder} cannot be made: {e.Message}", "Run as root: sudo diode-tunneld", "SYSTEM");
        }
    }

    private RelayConnection Connect(RelayUri uri)
    {
        (Address? primary, Address? secondary) = _relays.Nearest;
        return new RelayConnection(
            new RelayConnectionOptions
            {
                Uri = uri,
                Keys = _keys.Identity,
                TlsIdentity = _tlsIdentity,
                Inboxes = _inboxes,
                Edge = new EdgeClientOptions
                {
                    TunnelKey = _keys.TunnelPublicKey,
                    CapabilityVersion = ControlChannel.ControlMessage.ProtocolVersion,
                    ProtocolVersion = EdgeLimits.NotifyProtocolVersion,
                    ChainId = _options.TicketChain,
                    Zlib = _options.CompressRelays,
                    PrimaryRelay = primary,
                    SecondaryRelay = secondary,
                    Totals = _ledger.TotalsOf(uri.Address),
                    TicketBudget = _ledger.FirstCap(uri.Address, _relays.Entries.Count),
                    OwnerSigns = true,
                },
            },
            this,
            _logger,
            _time,
            _pool);
    }

    private IPAddress? RecallAddress(RelayUri uri)
    {
        return _state.Current.RelayAddresses.TryGetValue(uri.ToString(), out string? text)
            && IPAddress.TryParse(text, out IPAddress? address) ? address : null;
    }

    private void RememberAddress(RelayUri uri, IPAddress? address)
    {
        if (address is not null && !address.Equals(RecallAddress(uri)))
        {
            Dictionary<string, string> addresses = new(_state.Current.RelayAddresses) { [uri.ToString()] = address.ToString() };
            _state.Update(_state.Current with { RelayAddresses = addresses });
        }
    }

    private void LoadState()
    {
        _state.Load();
        _ledgerProblem = _ledger.Load();
        foreach (string problem in _manifests.Load())
        {
            Log.ManifestProblem(_logger, problem);
        }

        LoadChainFleets();
        LoadPerimeter();

        // The kill switch of a dead predecessor stays until this process has put its own in place. Where the state file is lost, nobody
        // knows whether an exit was wanted: it stays until the user opens it.
        bool keepGuard = _state.Current is { WantUp: true, Exit: not null } || _state.Warning is not null;
        foreach (RecoveredChange change in _changes.Recover(scope => keepGuard && scope == ExitRouting.GuardScope))
        {
            Log.ChangeRecovered(_logger, change.Scope, change.Kind, change.Outcome.ToString());
        }

        ApplyPublishRules();
        RefreshFleets();
    }

    private void Tick()
    {
        PollManifests();
        PollChainFleets();
        PollPerimeter();
        if (_up is null)
        {
            return;
        }

        _relays.Tick();
        _mesh.Tick();
        TickPaths();
        _exitClient.Tick();
        _up?.Gateway.Tick();
        _up?.Binds.Tick();
        _perimeterInterface.Tick();
        WatchSystem();
    }

    private void NotifyChanged()
    {
        Interlocked.Exchange(ref _changed, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously))
            .TrySetResult();
    }
}
