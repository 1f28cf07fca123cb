using System.Net;
using Diode.Tunnel.Engine.Relays;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Network;
using Diode.Tunnel.WireGuard;
using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.Engine.PerimeterWireGuard;

/// <summary>What a perimeter's interface is to be.</summary>
/// <param name="Name">Of the adapter.</param>
/// <param name="Config">What the contract says.</param>
/// <param name="PrivateKey">32 bytes; the interface copies them.</param>
/// <param name="KeyOrigin">Whose key it is, for people.</param>
/// <param name="Keys">Keys of peers that the contract keeps, by device.</param>
/// <param name="Devices">Devices of peers that are named, by name.</param>
internal sealed record InterfaceWish(
    string Name, WgQuickConfig Config, byte[] PrivateKey, string KeyOrigin, IReadOnlyDictionary<Address, TunnelPublicKey> Keys,
    IReadOnlyDictionary<string, Address> Devices);

/// <summary>What a perimeter's interface asks of its owner.</summary>
internal interface IPerimeterInterfaceOwner
{
    /// <summary>Virtual ranges of the mesh.</summary>
    IReadOnlyCollection<IPNetwork> MeshRanges { get; }

    /// <summary>Addresses this machine has to reach as it does now, and what they are.</summary>
    IEnumerable<(IPAddress Address, string What)> NeededAddresses { get; }

    /// <summary>Runs something on the engine loop.</summary>
    bool Post(Action action);

    /// <summary>The connected relays at which a device may be met, best first. Any thread.</summary>
    Task<RelayConnection[]> FindRelaysAsync(Address device, CancellationToken cancellation);

    /// <summary>A relay that peers name is needed for now.</summary>
    void NeedRelay(RelayConnection relay);
}

/// <summary>
/// The WireGuard interface of this device that a perimeter sets (diode-client §14.4): brought up, changed in place and taken down as the contract
/// says. Engine loop only.
/// </summary>
internal sealed partial class PerimeterInterface(
    IPerimeterInterfaceOwner owner, SystemChanges changes, Address self, PacketPool pool, ILogger logger, TimeProvider time, EngineClock clock)
    : IDisposable
{
    private const int DefaultMtu = 1420;
    private const long PlanTicks = 3 * TimeSpan.TicksPerSecond;
    private const long RetryTicks = 15 * TimeSpan.TicksPerSecond;

    private readonly List<PeerEntry> _peers = [];
    private InterfaceWish? _wish;
    private PerimeterWireGuardHost? _host;
    private PerimeterWireGuardNetwork? _network;
    private RoutePlan? _plan;
    private string? _problem;
    private IReadOnlyList<string> _refused = [];
    private IReadOnlyList<string> _unusable = [];
    private long _nextPlan;
    private long _nextTry;

    /// <summary>Name of the adapter; null while there is none.</summary>
    public string? AdapterName => _host?.Name;

    /// <summary>Packets lost on this machine.</summary>
    public long Dropped => _host?.Dropped ?? 0;

    /// <summary>Makes the interface what it is to be; null: none.</summary>
    public void Set(InterfaceWish? wish)
    {
        if (wish is null)
        {
            TakeDown();
            return;
        }

        InterfaceWish? before = _wish;
        _wish = wish;
        if (_host is not null && before is not null && !IsSameInterface(before, wish))
        {
            Close();
        }

        if (_host is null)
        {
            Open(wish);
        }
        else if (!ReferenceEquals(before, wish))
        {
            SetPeers(wish);
            Plan();
        }
    }

    /// <summary>Ends it: adapter, addresses and routes go.</summary>
    public void TakeDown()
    {
        _wish = null;
        Close();
        _problem = null;
        _nextTry = 0;
    }

    /// <inheritdoc/>
    public void Dispose() => TakeDown();

    /// <summary>Does what is due; four times a second.</summary>
    public void Tick()
    {
        if (_wish is not { } wish)
        {
            return;
        }

        long now = clock.Now;
        if (_host is not { } host)
        {
            if (now >= _nextTry)
            {
                Open(wish);
            }

            return;
        }

        host.Core.Tick();
        foreach (PeerEntry peer in _peers)
        {
            TickPeer(host, peer, now);
        }

        if (now >= _nextPlan)
        {
            Plan();
        }
    }

    /// <summary>What is not in force and why.</summary>
    public IEnumerable<string> Warnings() =>
    [
        .. _problem is { } problem ? [problem] : Array.Empty<string>(),
        .. _plan?.Warnings ?? [],
        .. _refused,
        .. _unusable,
        .. _peers.Where(static p => p.Problem is not null).Select(static p => $"peer {p.Name}: {p.Problem}"),
    ];

    /// <summary>The interface as it is; null while there is none.</summary>
    public PerimeterWireGuardView? View()
    {
        if (_host is not { } host || _wish is not { } wish)
        {
            return null;
        }

        return new PerimeterWireGuardView
        {
            Interface = host.Name,
            PublicKey = host.Core.PublicKey.ToString(),
            KeyOrigin = wish.KeyOrigin,
            ListenPort = host.Port,
            Mtu = host.Mtu,
            Addresses = [.. _plan?.Addresses.Select(static a => a.ToString()) ?? []],
            Routes = [.. _plan?.Routes.Select(static r => r.ToString()) ?? []],
            Peers = [.. _peers.Select(p => ViewOf(host, p))],
        };
    }

    private static bool IsSameInterface(InterfaceWish one, InterfaceWish other) =>
        one.Name == other.Name && one.Config.ListenPort == other.Config.ListenPort && one.Config.Mtu == other.Config.Mtu
        && one.PrivateKey.AsSpan().SequenceEqual(other.PrivateKey);

    private void Open(InterfaceWish wish)
    {
        _nextTry = clock.Now + RetryTicks;
        try
        {
            _host = new PerimeterWireGuardHost(
                wish.Name, wish.Config.Mtu ?? DefaultMtu, wish.Config.ListenPort, wish.PrivateKey, pool, time, clock, e => owner.Post(() => Fail(e)));
        }
        catch (PlatformException e)
        {
            _problem = $"the interface {wish.Name} can't be made: {e.Message}";
            Log.PerimeterInterfaceFailed(logger, wish.Name, e.Message);
            return;
        }

        _problem = null;
        _network = new PerimeterWireGuardNetwork(changes, _host.Name, _host.Mtu);
        SetPeers(wish);
        Plan();
        _host.Start();
        Log.PerimeterInterfaceUp(logger, _host.Name, _host.Port, _peers.Count);
    }

    private void Fail(Exception e)
    {
        if (_host is { } host)
        {
            Log.PerimeterInterfaceFailed(logger, host.Name, e.Message);
            Close();
            _problem = $"the interface {host.Name} is gone: {e.Message}";
            _nextTry = clock.Now + RetryTicks;
        }
    }

    private void Close()
    {
        foreach (PeerEntry peer in _peers)
        {
            Forget(peer);
        }

        _peers.Clear();
        if (_host is not { } host)
        {
            return;
        }

        // Nothing is routed to an adapter that does not carry any more.
        foreach (string problem in _network!.TakeDown())
        {
            Log.UndoFailed(logger, problem);
        }

        host.Dispose();
        (_host, _network, _plan, _refused, _unusable) = (null, null, null, [], []);
        Log.PerimeterInterfaceDown(logger, host.Name);
    }

    /// <summary>Addresses and routes anew: the machine's own may have changed, or what it has to reach.</summary>
    private void Plan()
    {
        if (_host is not { } host || _wish is not { } wish || !OperatingSystem.IsLinux())
        {
            return;
        }

        _nextPlan = clock.Now + PlanTicks;
        NetworkSnapshot machine;
        try
        {
            machine = NetworkSnapshot.Read();
        }
        catch (PlatformException e)
        {
            _refused = [e.Message];
            return;
        }

        RoutePlan plan = RoutePlan.Make(wish.Config, machine, host.Name, owner.MeshRanges, [.. owner.NeededAddresses, .. _peers.SelectMany(static p => p.Needed())]);
        _plan = plan;
        _refused = _network!.Apply(plan);
        host.Core.SetAddresses(plan.Addresses);
        HashSet<TunnelPublicKey> unusable = [.. host.Core.SetPeers([.. _peers.Select(p => p.ToPlan(plan))])];
        _unusable = [.. unusable.Select(static k => $"peer {k}: its key can't be used here")];
    }

    private void SetPeers(InterfaceWish wish)
    {
        PeerEntry[] before = [.. _peers];
        _peers.Clear();
        foreach (WgQuickPeer spec in wish.Config.Peers)
        {
            Address? device = spec.Device ?? (spec.DeviceName is { } name && wish.Devices.TryGetValue(name, out Address named) ? named : null);
            TunnelPublicKey? key = spec.PublicKey ?? (device is { } one && wish.Keys.TryGetValue(one, out TunnelPublicKey kept) ? kept : null);
            if (key is not { } known || _peers.Exists(p => p.Key == known || (device is not null && p.Device == device)))
            {
                continue;
            }

            // Where it was is kept as long as it is the same peer in the same place.
            PeerEntry? old = Array.Find(before, p => p.Key == known);
            bool isSamePlace = old is not null && old.Device == device && old.Spec.Host == spec.Host && old.Spec.Port == spec.Port;
            _peers.Add(new PeerEntry(known, device, spec, isSamePlace ? old : null, device is { } met ? new RelayMeeting(self < met, clock.Now) : null));
        }

        foreach (PeerEntry gone in before.Where(b => _peers.TrueForAll(p => p.Meeting is null || p.Meeting != b.Meeting)))
        {
            Forget(gone);
        }
    }

    private PerimeterPeerView ViewOf(PerimeterWireGuardHost host, PeerEntry peer)
    {
        PeerFacts facts = host.Core.FactsOf(peer.Key) ?? default;
        return new PerimeterPeerView
        {
            PublicKey = peer.Key.ToString(),
            Device = peer.Device?.ToString(),
            Endpoint = facts.Endpoint.IsSet ? facts.Endpoint.ToString() : null,
            Relay = peer.Meeting?.Current is { Relay: RelayConnection relay } port && port.Endpoint == facts.Endpoint ? relay.Uri.ToString() : null,
            AllowedIps = [.. _plan?.Accepted(peer.Spec).Select(static n => n.ToString()) ?? []],
            LastHandshake = facts.LastHandshake is { } at ? time.GetUtcNow() - TimeSpan.FromTicks(clock.Now - at) : null,
            RxBytes = facts.RxBytes,
            TxBytes = facts.TxBytes,
        };
    }

    /// <summary>A peer of the interface and where it is.</summary>
    private sealed class PeerEntry
    {
        public PeerEntry(TunnelPublicKey key, Address? device, WgQuickPeer spec, PeerEntry? old, RelayMeeting? meeting)
        {
            (Key, Device, Spec) = (key, device, spec);
            Meeting = old is null ? meeting : old.Meeting;
            if (old is not null)
            {
                (Place, Heard, Charged, NextResolve, NextNeed, Problem, Opening) =
                    (old.Place, old.Heard, old.Charged, old.NextResolve, old.NextNeed, old.Problem, old.Opening);
            }
        }

        public TunnelPublicKey Key { get; }

        public Address? Device { get; }

        public WgQuickPeer Spec { get; }

        /// <summary>How it is met at a relay; null for ordinary endpoints.</summary>
        public RelayMeeting? Meeting { get; }

        /// <summary>The address that was found out for its name, or that it has from the contract.</summary>
        public IPEndPoint? Place { get; set; }

        /// <summary>Bytes received by then.</summary>
        public long Heard { get; set; }

        /// <summary>Bytes that were charged to the relay.</summary>
        public long Charged { get; set; }

        public long NextResolve { get; set; }

        public long NextNeed { get; set; }

        /// <summary>Ends when a relay was asked for a port; null or ended: none is being asked.</summary>
        public Task? Opening { get; set; }

        public string? Problem { get; set; }

        public string Name => Device?.ToString() ?? Key.ToString();

        public PeerPlan ToPlan(RoutePlan plan) => new(Key, Spec.PresharedKey, plan.Accepted(Spec), Spec.IsDiode ? DiodeKeepalive : Spec.Keepalive);

        public IEnumerable<(IPAddress Address, string What)> Needed()
        {
            IPAddress? address = Meeting?.Current is { } port ? port.Endpoint.ToEndPoint().Address : Place?.Address;
            return address is null ? [] : [(address, $"the endpoint {address}")];
        }
    }
}
