using System.Net;
using System.Security.Cryptography;
using Diode.Tunnel.Engine.Addressing;
using Diode.Tunnel.Engine.Exits;
using Diode.Tunnel.Engine.Paths;
using Diode.Tunnel.Engine.Pipeline;
using Diode.Tunnel.Engine.PlainPeers;
using Diode.Tunnel.Engine.State;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Network;
using Diode.Tunnel.Platform.Tun;
using Diode.Tunnel.Platform.Tun.Offload;
using Diode.Tunnel.WireGuard;

namespace Diode.Tunnel.Engine;

/// <content>Up and down: the adapter, its addresses and routes, and everything that lives as long as they do.</content>
public sealed partial class TunnelEngine
{
    private const string MeshScope = "mesh";
    private static readonly TimeSpan PlainStopTimeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan SystemWatchInterval = TimeSpan.FromSeconds(3);

    private long _nextSystemWatch;

    private bool TryUp()
    {
        if (_up is not null)
        {
            return true;
        }

        try
        {
            BringUp();
            _problem = "";
            _problemHint = "";
            NotifyChanged();
            return true;
        }
        catch (Exception e) when (e is PlatformException or TunnelException or PlatformNotSupportedException or IOException)
        {
            _problem = e.Message;
            _problemHint = e switch
            {
                PlatformException { Hint: { } hint } => hint,
                TunnelException { Hint: var hint } => hint,
                _ => "",
            };
            Log.UpFailed(_logger, _problem);

            // Nothing half-configured, except the kill switch: an exit that was in use must not turn into clear text.
            TakeDown(_problem, keepGuard: _state.Current.Exit is not null);
            return false;
        }
    }

    private void BringUp()
    {
        ExitChoice? exit = _state.Current.Exit;
        if (exit is not null)
        {
            _exitRouting.GuardOnly(exit.AllowLan);
        }

        // Connecting takes round trips: meanwhile the adapter is set up. What relays tell waits for this thread.
        _relays.Configure(OwnRelays());
        _relays.Start();
        ITunAdapter adapter = TunAdapterFactory.Open(new TunOptions
        {
            Name = _options.InterfaceName,
            Mtu = _options.Mtu,
            Offloads = TunOffloads.All,
        });
        try
        {
            _book = BuildBook(_book);
            IPAddress[] own = [_book.Self.LocalIpv4.ToIPAddress(), _book.Self.Ipv6.ToIPAddress()];
            ConfigureAdapter(adapter, own);
            WireGuardInterface wireGuard = new(_keys.TunnelPrivateKey, MakeWireGuardOptions(), this);
            PacketPipeline pipeline = new(
                adapter, wireGuard, _filter, _pool, _clock, new PipelineSnapshot(_book, [], null, ExitFamilies.None), WantPeer);
            PlainGateway gateway = new(adapter, own, MakeOpener(), _tlsIdentity, _tlsSessions, _logger, _time);
            pipeline.Plain = gateway;
            PathManager? paths = _options.Paths == PathChoice.Stream
                ? null
                : new PathManager(_options.UdpPort, _pool, _addressPool, _clock, this)
                {
                    AdapterName = adapter.Name,
                    OtherAdapters = PerimeterAdapterPrefix,
                    IsDirectAllowed = _options.Paths == PathChoice.Auto,
                };
            _up = new UpState(adapter, wireGuard, pipeline, gateway, MakeBinds(), paths, own, _time.GetUtcNow());
            _exitRouting.Adapter = (adapter.Name, own);
            StartNames();
        }
        catch
        {
            if (_up is null)
            {
                adapter.Dispose();
            }

            throw;
        }

        ApplyFleets();
        ApplyPublishRules();
        _up.Gateway.Tick();
        ApplyBinds();
        _up.Timers = Task.Factory.StartNew(
            () => RunTimers(_up), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        _up.Pipeline.Start(OnAdapterFailed);
        _up.Paths?.Start();
        WatchNetwork(_up);
        if (_options is { MapPorts: true, Paths: PathChoice.Auto })
        {
            _up.Paths?.StartMapping(_time);
        }

        if (_state.Current.Offer is { } offer)
        {
            OpenExit(offer.Region, offer.Ipv4, offer.Ipv6);
        }

        if (exit is not null)
        {
            _exitClient.Use(exit, isResumed: true);
        }

        ApplyPerimeterInterface();
    }

    private void ConfigureAdapter(ITunAdapter adapter, IPAddress[] own)
    {
        _changes.Apply(MeshScope, new LinkChange(adapter.Name, Mtu: _options.Mtu));
        foreach (IPAddress address in own)
        {
            _changes.Apply(MeshScope, new AddressChange(adapter.Name, address, PrefixOf(address)));
        }

        // The resolver's addresses are the same on every machine: on the adapter the kernel would use them as source.
        foreach (IPAddress address in ResolverAddresses)
        {
            _changes.Apply(MeshScope, new AddressChange("lo", address, PrefixOf(address)));
        }

        _changes.Apply(MeshScope, new LinkChange(adapter.Name, IsUp: true));
        _changes.Apply(MeshScope, new RouteChange(_addressPool.Network, adapter.Name));
        if (!_addressPool.IsDefault)
        {
            Log.OtherPool(_logger, _addressPool.ToString());
        }

        _changes.Apply(MeshScope, new RouteChange(VirtualAddresses.Ipv6Prefix, adapter.Name));
    }

    private WireGuardOptions MakeWireGuardOptions()
    {
        return new WireGuardOptions
        {
            UtcNow = _time.GetUtcNow,
            Aead = PlatformAead.Factory,
            Mtu = _options.Mtu,
            // The sender's address is checked with the translation (design §4): two peers may share an IPv4 address.
            CheckSourceAddress = false,
        };
    }

    /// <summary>Takes everything down, in the reverse order of <see cref="BringUp"/>. Safe to call at any stage.</summary>
    private void TakeDown(string reason, bool keepGuard = false)
    {
        _exitClient.Stop();
        _perimeterInterface.TakeDown();
        Attempt(() => _exitServer.Close(reason));
        _mesh.Stop(reason);
        _relays.Stop();
        if (_up is { } up)
        {
            _up = null;
            up.Stopping.Cancel();
#pragma warning disable VSTHRD002 // the engine loop owns these threads, and they end at once
            up.Network?.Dispose();
            up.Paths?.Dispose();
            foreach (PipelineReceiver receiver in up.Receivers)
            {
                receiver.Dispose();
            }

            up.Pipeline.StopAsync().Wait();
            up.Gateway.DisposeAsync().AsTask().Wait(PlainStopTimeout);
            up.Binds.DisposeAsync().AsTask().Wait(PlainStopTimeout);
            up.Timers?.Wait();
#pragma warning restore VSTHRD002
            StopNames();
            foreach (Peers.TunnelPeer peer in _mesh.Peers.Values)
            {
                peer.Session = null;
            }

            up.WireGuard.Dispose();
            UndoAll(keepGuard);
            _exitRouting.Adapter = null;
            up.Adapter.Dispose();
            up.Stopping.Dispose();
        }
        else
        {
            UndoAll(keepGuard);
        }

        NotifyChanged();
    }

    private void UndoAll(bool keepGuard)
    {
        foreach (string scope in _changes.ActiveScopes.Reverse())
        {
            if (!(keepGuard && scope == ExitRouting.GuardScope))
            {
                Attempt(() => _changes.Undo(scope));
            }
        }
    }

    private void Attempt(Action undo)
    {
        try
        {
            undo();
        }
        catch (PlatformException e)
        {
            // It stays in the journal: the next start and `reset` try again.
            Log.UndoFailed(_logger, e.Message);
        }
    }

    private void OnAdapterFailed(Exception e)
    {
        _loop.TryPost(() =>
        {
            if (_up is null)
            {
                return;
            }

            Log.UpFailed(_logger, e.Message);
            TakeDown(e.Message, keepGuard: _state.Current.Exit is not null);
            TryUp();
        });
    }

    private void RunTimers(UpState up)
    {
        CancellationToken stopping = up.Stopping.Token;
        while (!stopping.WaitHandle.WaitOne(TimerWait(up)))
        {
            up.WireGuard.Tick(_clock.Now);
        }
    }

    private TimeSpan TimerWait(UpState up)
    {
        long left = up.WireGuard.NextTimeout - _clock.Now;
        return TimeSpan.FromMilliseconds(Math.Clamp(left / (double)TimeSpan.TicksPerMillisecond, 5, 250));
    }

    /// <summary>Routes and resolver are looked at now and then: other programs change them (sleep, DHCP, other VPNs).</summary>
    private void WatchSystem()
    {
        long now = _time.GetTimestamp();
        if (now < _nextSystemWatch)
        {
            return;
        }

        _nextSystemWatch = now + (long)(SystemWatchInterval.TotalSeconds * _time.TimestampFrequency);
        Attempt(ReassertNames);
        Attempt(FollowLocalRoutes);
    }

    /// <summary>A new local network inside the pool must not be shadowed: the devices it covers get other addresses here.</summary>
    private void FollowLocalRoutes()
    {
        IReadOnlyList<IPNetwork> routes = ReadLocalRoutes();
        if (!routes.SequenceEqual(_bookRoutes))
        {
            _book = BuildBook(_book);
            UpdateNames();
            PublishSnapshot();
            NotifyChanged();
        }
    }

    private static int PrefixOf(IPAddress address)
    {
        return address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork ? 32 : 128;
    }

    /// <summary>What exists only while the tunnel is up.</summary>
    private sealed class UpState(
        ITunAdapter adapter,
        WireGuardInterface wireGuard,
        PacketPipeline pipeline,
        PlainGateway gateway,
        PortBinds binds,
        PathManager? paths,
        IPAddress[] own,
        DateTimeOffset since)
    {
        public ITunAdapter Adapter { get; } = adapter;

        public WireGuardInterface WireGuard { get; } = wireGuard;

        public PacketPipeline Pipeline { get; } = pipeline;

        public PlainGateway Gateway { get; } = gateway;

        public PortBinds Binds { get; } = binds;

        public PathManager? Paths { get; } = paths;

        /// <summary>Inbound packet paths of the UDP sockets: IPv4 and IPv6.</summary>
        public PipelineReceiver[] Receivers { get; } = paths is null ? [] : [pipeline.CreateReceiver(), pipeline.CreateReceiver()];

        public IPAddress[] OwnAddresses { get; } = own;

        public DateTimeOffset Since { get; } = since;

        /// <summary>Tells peers one run from the next, by which all sessions and counters are new.</summary>
        public string Instance { get; } = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8));

        public CancellationTokenSource Stopping { get; } = new();

        public Task? Timers { get; set; }

        /// <summary>Tells of changes of the machine's network; null if the system does not.</summary>
        public SystemNetworkEvents? Network { get; set; }
    }
}
