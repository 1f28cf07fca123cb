using System.Collections.Immutable;
using System.Net;
using System.Security.Cryptography;
using Diode.Tunnel.Platform.Sockets;
using Diode.Tunnel.WireGuard;

namespace Diode.Tunnel.Engine.PerimeterWireGuard;

/// <summary>A peer as it is to be.</summary>
/// <param name="Key">Its key.</param>
/// <param name="PresharedKey">32 bytes, or empty.</param>
/// <param name="AllowedIps">Networks that lead to it, and that it may send from.</param>
/// <param name="Keepalive">Zero for none.</param>
internal sealed record PeerPlan(TunnelPublicKey Key, byte[] PresharedKey, ImmutableArray<IPNetwork> AllowedIps, TimeSpan Keepalive);

/// <summary>
/// The interface without socket, adapter and threads: its peers and the way of a packet. Thread-safe, but <see cref="Receive"/> and
/// <see cref="Send"/> have one thread each.
/// </summary>
internal sealed partial class PerimeterWireGuardCore : IWireGuardOutput, IDisposable
{
    private readonly Lock _gate = new();
    private readonly EngineClock _clock;
    private readonly IPerimeterWireGuardOutput _output;
    private readonly WireGuardInterface _wireGuard;
    private readonly Dictionary<TunnelPublicKey, Entry> _peers = [];
    private IReadOnlyList<PeerPlan> _plans = [];
    private long _dropped;
    private bool _disposed;

    /// <param name="privateKey">32 bytes; copied.</param>
    /// <param name="mtu">Of the adapter, in bytes.</param>
    /// <param name="time">Wall clock.</param>
    /// <param name="clock">Monotonic clock.</param>
    /// <param name="output">Where bytes go.</param>
    public PerimeterWireGuardCore(ReadOnlySpan<byte> privateKey, int mtu, TimeProvider time, EngineClock clock, IPerimeterWireGuardOutput output)
    {
        _clock = clock;
        _output = output;
        _wireGuard = new WireGuardInterface(
            privateKey, new WireGuardOptions { UtcNow = time.GetUtcNow, Aead = PlatformAead.Factory, Mtu = mtu, AeadContextsPerDirection = 1 }, this);
        _train = new PacketTrain(_wireGuard);
    }

    /// <summary>The key that peers know this interface by.</summary>
    public TunnelPublicKey PublicKey => _wireGuard.PublicKey;

    /// <summary>Packets that were refused here, in both directions.</summary>
    public long Dropped => Interlocked.Read(ref _dropped);

    /// <summary>
    /// Makes the peers what they are to be. Who stays keeps its session; a key that can't be one, or is our own, is left out.
    /// </summary>
    /// <returns>The keys that were left out.</returns>
    public IReadOnlyList<TunnelPublicKey> SetPeers(IReadOnlyList<PeerPlan> plans)
    {
        List<TunnelPublicKey> unusable = [];
        lock (_gate)
        {
            // Of two peers with the same network the later one has it. Untouched where nothing changes: in between packets would get lost.
            bool isSame = plans.Count == _plans.Count && plans.Zip(_plans).All(static p => p.First.Key == p.Second.Key && p.First.AllowedIps.SequenceEqual(p.Second.AllowedIps));
            _plans = plans;
            HashSet<TunnelPublicKey> wanted = [.. plans.Select(static p => p.Key)];
            foreach ((TunnelPublicKey key, Entry gone) in _peers.Where(p => !wanted.Contains(p.Key)).ToArray())
            {
                _wireGuard.RemovePeer(gone.Peer);
                _peers.Remove(key);
            }

            foreach (PeerPlan plan in plans)
            {
                if (!TrySetPeerLocked(plan, !isSame))
                {
                    unusable.Add(plan.Key);
                }
            }
        }

        return unusable;
    }

    /// <summary>Says where a peer is, and begins a handshake there: whoever is on the way has to see a datagram of ours.</summary>
    public void SetEndpoint(TunnelPublicKey key, in EndpointAddress endpoint)
    {
        if (Find(key) is { } peer)
        {
            peer.Endpoint = new PeerRemote(endpoint);
            peer.InitiateHandshake(_clock.Now);
        }
    }

    /// <summary>What is known of a peer; null for none.</summary>
    public PeerFacts? FactsOf(TunnelPublicKey key) => Find(key) is { } peer
        ? new PeerFacts(peer.Endpoint is PeerRemote remote ? remote.Endpoint : default, peer.LastHandshake, peer.RxBytes, peer.TxBytes)
        : null;

    /// <summary>Timers of WireGuard; a few times a second.</summary>
    public void Tick()
    {
        lock (_gate)
        {
            if (_disposed)
            {
                return;
            }

            foreach (Entry entry in _peers.Values)
            {
                // Not before it is known where: a handshake that goes nowhere is repeated after five seconds only.
                if (entry.Keepalive != entry.Plan.Keepalive && entry.Peer.Endpoint is not null)
                {
                    entry.Keepalive = entry.Plan.Keepalive;
                    entry.Peer.SetPersistentKeepalive(entry.Keepalive);
                }
            }

            _wireGuard.Tick(_clock.Now);
        }
    }

    /// <summary>Ends all sessions and erases the keys. No packet may be under way.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (!_disposed)
            {
                _disposed = true;
                _peers.Clear();
                _wireGuard.Dispose();
            }
        }
    }

    private Peer? Find(TunnelPublicKey key)
    {
        lock (_gate)
        {
            return _peers.TryGetValue(key, out Entry? entry) ? entry.Peer : null;
        }
    }

    private bool TrySetPeerLocked(PeerPlan plan, bool setNetworks)
    {
        Peer? peer;
        if (_peers.TryGetValue(plan.Key, out Entry? entry))
        {
            peer = entry.Peer;
            if (!CryptographicOperations.FixedTimeEquals(entry.Plan.PresharedKey, plan.PresharedKey))
            {
                // A preshared key belongs to a session from its beginning.
                _wireGuard.RemovePeer(peer);
                _peers.Remove(plan.Key);
                object? endpoint = peer.Endpoint;
                if (!TryAddLocked(plan, out peer))
                {
                    return false;
                }

                peer!.Endpoint = endpoint;
                setNetworks = true;
                entry = new Entry(peer, plan);
            }
        }
        else if (TryAddLocked(plan, out peer))
        {
            entry = new Entry(peer!, plan);
            setNetworks = true;
        }
        else
        {
            return false;
        }

        if (setNetworks)
        {
            _wireGuard.SetAllowedIps(peer!, plan.AllowedIps);
        }

        entry.Plan = plan;
        _peers[plan.Key] = entry;
        return true;
    }

    private bool TryAddLocked(PeerPlan plan, out Peer? peer)
    {
        Span<byte> key = stackalloc byte[TunnelPublicKey.Length];
        plan.Key.CopyTo(key);
        return _wireGuard.TryAddPeer(key, new PeerOptions { PresharedKey = plan.PresharedKey }, out peer);
    }

    /// <summary>A peer and what it is to be.</summary>
    private sealed class Entry(Peer peer, PeerPlan plan)
    {
        public Peer Peer { get; } = peer;

        public PeerPlan Plan { get; set; } = plan;

        /// <summary>The interval that is set.</summary>
        public TimeSpan Keepalive { get; set; }
    }
}

/// <summary>What is known of a peer.</summary>
/// <param name="Endpoint">Where it is; not set if unknown.</param>
/// <param name="LastHandshake">When its last handshake was complete, on the monotonic clock.</param>
/// <param name="RxBytes">Authentic bytes received.</param>
/// <param name="TxBytes">Bytes sent.</param>
internal readonly record struct PeerFacts(EndpointAddress Endpoint, long? LastHandshake, long RxBytes, long TxBytes);
