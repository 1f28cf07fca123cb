using System.Diagnostics.Metrics;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Reflection;
using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Storage;
using Diode.Tunnel.Platform.Tls;
using Diode.Tunnel.Relay.Accounting;
using Diode.Tunnel.Relay.Chains;
using Diode.Tunnel.Relay.Configuration;
using Diode.Tunnel.Relay.Listening;
using Diode.Tunnel.Relay.PhysicalPorts;
using Diode.Tunnel.Relay.RelayPeers;
using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.Relay;

/// <summary>
/// A relay: listens, serves devices until it is stopped. Start and stop once, from one thread; the rest is thread-safe.
/// </summary>
public sealed partial class RelayNode : IAsyncDisposable
{
    /// <summary>Name of the meter.</summary>
    public const string MeterName = "Diode.Tunnel.Relay";

    private static readonly TimeSpan TickInterval = TimeSpan.FromMilliseconds(250);

    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly RelayClock _clock;
    private readonly PrivateKey _key;
    private readonly TlsIdentity _identity;
    private readonly ITicketStore? _ownStore;
    private readonly RelayCore _core;
    private readonly EdgeListener _listener;
    private readonly PeerHub? _hub;
    private readonly PeerService? _peers;
    private readonly RelayExits _exits;
    private readonly Meter _meter = new(MeterName);
    private readonly CancellationTokenSource _stop = new();
    private Task _timer = Task.CompletedTask;
    private bool _stopped;

    /// <summary>Reads or creates the key and binds the ports; nobody is accepted before <see cref="Start"/>.</summary>
    /// <param name="options">What to serve.</param>
    /// <param name="logger">For events an operator cares about.</param>
    /// <param name="time">Clock; the system's by default.</param>
    /// <exception cref="PlatformException">Key or ports cannot be used; the hint says what to do.</exception>
    public RelayNode(RelayOptions options, ILogger logger, TimeProvider? time = null)
        : this(options, logger, time ?? TimeProvider.System, null, null)
    {
    }

    internal RelayNode(
        RelayOptions options, ILogger logger, TimeProvider time, IChainClock? chain, ITicketStore? store)
    {
        ArgumentNullException.ThrowIfNull(options);
        _logger = logger;
        _time = time;
        _clock = new RelayClock(time);
        if (!NativeCurve.TryInstall())
        {
            Log.SlowCurve(logger);
        }

        _key = RelayKeyFile.LoadOrCreate(options.StateDirectory, out bool created);
        if (created)
        {
            Log.KeyCreated(logger, Path.Combine(options.StateDirectory, RelayKeyFile.FileName));
        }

        byte[] secret = new byte[PrivateKey.Length];
        _key.CopyTo(secret);
        _identity = new TlsIdentity(DeviceCertificate.Create(_key), secret);
        System.Security.Cryptography.CryptographicOperations.ZeroMemory(secret);

        store ??= _ownStore = OpenStore(options.StateDirectory, logger);
        string host = options.Host ?? FindHost(options.Listen[0].Address);
        int firstPort = options.Listen[0].Port;
        var sockets = new PhysicalSocketFactory(ChoosePhysicalAddress(options.Listen[0].Address), _clock);
        _hub = options.Peers is null ? null : BindHub(options.Peers);
        ushort peerPort = (ushort)(_hub?.Endpoint?.Port ?? 0);
        var counters = new RelayCounters();
        _chains = CreateChains(options, counters);
        chain ??= new ChainClock(_chains);
        RelayCore? core = null;
        EdgeListener? listener = null;
        List<IPEndPoint> bound = [];
        foreach (IPEndPoint endpoint in options.Listen)
        {
            // The core announces the port, which is known only after binding when the system chooses it.
            if (listener is null)
            {
                firstPort = endpoint.Port != 0 ? endpoint.Port : FindFreePort(endpoint.Address);
                core = new RelayCore(
                    _key,
                    options.Limits,
                    Announce(host, firstPort, peerPort, options.Name, options.Region),
                    chain,
                    store,
                    sockets,
                    counters: counters)
                {
                    Chains = _chains,
                };
                listener = new EdgeListener(core, _clock, _identity, logger);
            }

            bound.Add(BindOrStop(listener, bound.Count == 0 ? new IPEndPoint(endpoint.Address, firstPort) : endpoint));
        }

        _core = core!;
        _listener = listener!;
        _peers = _hub is null
            ? null
            : new PeerService(options.Peers!, _core, _hub, _clock, options.StateDirectory, logger);
        PeerEndpoint = _hub?.Endpoint;
        Endpoints = bound;
        Uri = new RelayUri(_key.Address, host, (ushort)firstPort);
        try
        {
            _exits = new RelayExits(_core, _clock, time, options, host, logger);
        }
        catch (PlatformException)
        {
            _listener.Dispose();
            (_ownStore as IDisposable)?.Dispose();
            throw;
        }

        CreateRpc(options.Rpc, host);
        CreateInstruments();
    }

    /// <summary>Where devices reach the relay, and which key it must prove: <c>diode://0x…@host:port</c>.</summary>
    public RelayUri Uri { get; }

    /// <summary><see cref="Uri"/> as text, for programs that only print it.</summary>
    public string UriText => Uri.ToString();

    /// <summary>Address of the relay.</summary>
    public Address Address => _core.Address;

    /// <summary>The bound endpoints in the order of the options.</summary>
    public IReadOnlyList<IPEndPoint> Endpoints { get; }

    /// <summary>Where other relays connect, or null.</summary>
    public IPEndPoint? PeerEndpoint { get; }

    /// <summary>Sessions of authenticated devices.</summary>
    public int SessionCount => _core.Directory.Count;

    internal RelayCore Core => _core;

    internal EdgeListener Listener => _listener;

    internal PeerService? Peers => _peers;

    /// <summary>Begins to accept devices.</summary>
    public void Start()
    {
        _chains.Start();
        _exits.Start();
        _listener.Start();
        _peers?.Start();
        _timer = RunTimerAsync(_stop.Token);
        if (PeerEndpoint is not null)
        {
            Log.ListeningForRelays(_logger, PeerEndpoint);
        }

        foreach (IPEndPoint endpoint in Endpoints)
        {
            Log.Listening(_logger, endpoint);
        }

        HintChains();
        Log.Ready(_logger, Uri.ToString());
    }

    /// <summary>Counters and gauges by name, as of now.</summary>
    public IReadOnlyDictionary<string, long> ReadCounters()
    {
        var values = new Dictionary<string, long>(_core.Counters.Read())
        {
            ["sessions"] = _core.Directory.Count,
            ["devices"] = _core.Directory.DeviceCount,
            ["connections"] = _listener.ConnectionCount,
            ["port_ends"] = _core.Ports.Count,
            ["physical_ports"] = _core.PhysicalPorts.Count,
            ["accounts"] = _core.Tickets.AccountCount,
            ["wireguard_clients"] = _exits.WireGuardClients,
            ["turn_allocations"] = _exits.TurnAllocations,
            ["websockets"] = _sockets?.Count ?? 0,
        };
        foreach ((string name, long value) in _peers?.ReadCounters() ?? [])
        {
            values[name] = value;
        }

        return values;
    }

    /// <summary>Closes ports and sessions; idempotent.</summary>
    public async Task StopAsync()
    {
        if (_stopped)
        {
            return;
        }

        _stopped = true;
        int sessions = SessionCount;
        await _stop.CancelAsync();
        await _timer;
        await StopRpcAsync();
        if (_peers is not null)
        {
            await _peers.StopAsync();
        }

        await _listener.StopAsync();
        await _chains.StopAsync();
        _core.PhysicalPorts.CloseAll();
        await _exits.DisposeAsync();
        _core.Tickets.SaveUsage(_clock.NowMs);
        Log.Stopped(_logger, sessions);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _listener.Dispose();
        if (_peers is not null)
        {
            await _peers.DisposeAsync();
        }

        _chains.Dispose();
        (_ownStore as IDisposable)?.Dispose();
        _meter.Dispose();
        _identity.Dispose();
        _key.Dispose();
        _stop.Dispose();
    }

    private static ITicketStore OpenStore(string folder, ILogger logger)
    {
        try
        {
            return new SqliteTicketStore(Path.Combine(folder, SqliteTicketStore.FileName), logger);
        }
        catch (SqliteMissingException exception)
        {
            // Devices hand in new tickets after a restart: better than no relay.
            Log.TicketsInMemory(logger, exception.Message);
            return new MemoryTicketStore();
        }
    }

    private IPEndPoint BindOrStop(EdgeListener listener, IPEndPoint endpoint)
    {
        try
        {
            return listener.Bind(endpoint);
        }
        catch (PlatformException)
        {
            listener.Dispose();
            _hub?.Dispose();
            (_ownStore as IDisposable)?.Dispose();
            throw;
        }
    }

    private PeerHub BindHub(PeerOptions options)
    {
        var hub = new PeerHub(_clock, _identity, _logger);
        try
        {
            if (options.Listen is not null)
            {
                _ = hub.Bind(options.Listen);
            }
        }
        catch (PlatformException exception) when (options.ListenIsOptional)
        {
            Log.NotListeningForRelays(_logger, exception.Message);
        }
        catch
        {
            hub.Dispose();
            (_ownStore as IDisposable)?.Dispose();
            throw;
        }

        return hub;
    }

    // Real relays bind IPv4 on all interfaces. An operator who listens on one address means that one.
    private static IPAddress ChoosePhysicalAddress(IPAddress listen)
    {
        return listen.AddressFamily == AddressFamily.InterNetwork ? listen : IPAddress.Any;
    }

    private static string FindHost(IPAddress listen)
    {
        if (!listen.Equals(IPAddress.Any) && !listen.Equals(IPAddress.IPv6Any))
        {
            return listen.ToString();
        }

        IEnumerable<IPAddress> own = NetworkInterface.GetAllNetworkInterfaces()
            .Where(link => link.OperationalStatus == OperationalStatus.Up)
            .SelectMany(link => link.GetIPProperties().UnicastAddresses)
            .Select(address => address.Address)
            .Where(address => address.AddressFamily == AddressFamily.InterNetwork && !IPAddress.IsLoopback(address));
        return (own.FirstOrDefault() ?? IPAddress.Loopback).ToString();
    }

    private static int FindFreePort(IPAddress address)
    {
        using var probe = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        probe.Bind(new IPEndPoint(address, 0));
        return ((IPEndPoint)probe.LocalEndPoint!).Port;
    }

    private ServerAnnouncement Announce(string host, int port, ushort peerPort, string? name, string? region)
    {
        string version = typeof(RelayNode).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()
            ?.InformationalVersion.Split('+')[0] ?? "0.0.0";
        name ??= $"{_key.Address.ToString()[2..8]}@{Environment.MachineName}";
        return new ServerAnnouncement(_key, host, (ushort)port, version, name, _clock.NowMs, peerPort) { Region = region };
    }

    private async Task RunTimerAsync(CancellationToken cancel)
    {
        using var timer = new PeriodicTimer(TickInterval, _time);
        try
        {
            while (await timer.WaitForNextTickAsync(cancel))
            {
                _clock.Follow();
                long nowMs = _clock.NowMs;
                FlushBatch.Begin();
                try
                {
                    _core.Tick(nowMs);
                }
                finally
                {
                    FlushBatch.End();
                }

                _listener.Tick(nowMs);
                _peers?.Tick(nowMs);
                _exits.Tick(nowMs);
            }
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            // Stopped.
        }
        catch (Exception exception)
        {
            Log.TimerFailed(_logger, exception);
        }
    }

    private void CreateInstruments()
    {
        foreach ((string name, _) in _core.Counters.Read())
        {
            _meter.CreateObservableCounter("relay." + name, () => ReadCounters()[name]);
        }

        _meter.CreateObservableGauge("relay.sessions", () => SessionCount);
        _meter.CreateObservableGauge("relay.port_ends", () => _core.Ports.Count);
    }
}
