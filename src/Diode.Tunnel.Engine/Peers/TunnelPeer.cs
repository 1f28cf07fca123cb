using Diode.Tunnel.Engine.ControlChannel;
using Diode.Tunnel.Engine.Filtering;
using Diode.Tunnel.Engine.Paths;
using Diode.Tunnel.Engine.Relays;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.WireGuard;

namespace Diode.Tunnel.Engine.Peers;

/// <summary>
/// One fleet device as this one sees it. Fields for the packet path are single references or counters, published with
/// <see cref="Volatile"/>; everything else belongs to the engine loop.
/// </summary>
internal sealed class TunnelPeer(Address device, int id)
{
    /// <summary>Packets kept while the peer's key is being looked up; older ones are dropped.</summary>
    private const int MaxWaiting = 32;

    private readonly Queue<PacketBuffer> _waiting = new();
    private Peer? _session;
    private IPath? _path;
    private IPath? _chosen;
    private long _droppedPackets;

    /// <summary>The device.</summary>
    public Address Device { get; } = device;

    /// <summary>The peer may have been restarted since the last handshake: the next path begins a new one. Engine loop.</summary>
    public bool HandshakeDue { get; set; }

    /// <summary>The peer as the packet filter knows it; the number is never used again for another.</summary>
    public FilterPeer Filter { get; } = new(id, device, IsFleetMember: true);

    /// <summary>First label and fleet name, for people.</summary>
    public string Label { get; set; } = "";

    /// <summary>Name of the fleet that <see cref="Label"/> is from.</summary>
    public string FleetName { get; set; } = "";

    /// <summary>The operator gave the device the role of an exit.</summary>
    public bool HasExitRole { get; set; }

    /// <summary>The WireGuard peer; null until the tunnel key is known.</summary>
    public Peer? Session
    {
        get => Volatile.Read(ref _session);
        set => Volatile.Write(ref _session, value);
    }

    /// <summary>The way the engine chose; null if there is none.</summary>
    public IPath? Path
    {
        get => Volatile.Read(ref _path);
        set => Volatile.Write(ref _path, value);
    }

    /// <summary>The UDP way that probes have proven and chosen; null: none is good. Set by the path manager.</summary>
    public IPath? Chosen
    {
        get => Volatile.Read(ref _chosen);
        set => Volatile.Write(ref _chosen, value);
    }

    /// <summary>The chosen way does not answer now. Set by the path manager.</summary>
    public volatile bool IsSilent;

    /// <summary>The peer answers on a way of its own, with or without a relay.</summary>
    public bool LivesOnPath => Chosen is { IsOpen: true } && !IsSilent;

    /// <summary>The control channel has gone while the peer answered elsewhere; null if it has not.</summary>
    public string? LinkLost { get; set; }

    /// <summary>
    /// The way to send on: the chosen one, else the stream that the peer's key was last seen on, else <see cref="Path"/>. Datagrams from
    /// an unknown UDP address alone move nothing (WireGuard §6.5 would): that address is probed first. Read by the packet path.
    /// </summary>
    public IPath? CurrentPath =>
        Chosen is { IsOpen: true } chosen ? chosen : Session?.Endpoint is RelayStreamPath { IsOpen: true } proven ? proven : Path;

    /// <summary>Packets for this peer that could not be sent: no key, no path, or the path was full.</summary>
    public long DroppedPackets => Volatile.Read(ref _droppedPackets);

    /// <summary>This device lets the peer use it as an exit. Read by the packet path.</summary>
    public volatile bool IsExitClient;

    /// <summary>Traffic waits for this peer: it is looked up and connected without delay.</summary>
    public volatile bool Wanted;

    /// <summary>The peer's X25519 key, proven by its ticket signature; null until looked up.</summary>
    public byte[]? TunnelKey { get; set; }

    /// <summary>Creation time of the ticket the key is from, unix seconds: an older ticket never replaces a newer key.</summary>
    public ulong TunnelKeyTime { get; set; }

    /// <summary>Port for WireGuard datagrams.</summary>
    public PortSlot Tunnel { get; } = new(RelayPortUse.Tunnel);

    /// <summary>Port for the control channel.</summary>
    public PortSlot Control { get; } = new(RelayPortUse.Control);

    /// <summary>The control channel in use, null if there is none.</summary>
    public ControlLink? Link { get; set; }

    /// <summary>A control channel that has not proven the peer's key yet and does not disturb <see cref="Link"/> until then.</summary>
    public ControlLink? CandidateLink { get; set; }

    /// <summary>The last hello of the peer; null before the first. Kept when the link goes.</summary>
    public ControlMessage? Hello { get; set; }

    /// <summary>Which run of the peer the last hello was from; null unknown. Engine loop.</summary>
    public string? Instance { get; set; }

    /// <summary>When the last control channel that was lost was last heard, clock timestamp; 0 = none was. Engine loop.</summary>
    public long LastAlive { get; set; }

    /// <summary>The last control channel was lost while its relay lived: the peer itself has gone, or the relay lost it. Engine loop.</summary>
    public bool HasLeft { get; set; }

    /// <summary>Round trip over the control channel.</summary>
    public TimeSpan? RoundTrip { get; set; }

    /// <summary>Why the path is what it is, for people.</summary>
    public string PathReason { get; set; } = "not looked up yet";

    /// <summary>Relays the peer is to be met at, as its newest ticket says; empty until looked up.</summary>
    public IReadOnlyList<Address> Relays { get; set; } = [];

    /// <summary>Creation time of the ticket that <see cref="Relays"/> is from, unix seconds.</summary>
    public ulong RelaysTime { get; set; }

    /// <summary>The relay of the last port that was opened with the peer.</summary>
    public Address? LastRelay { get; set; }

    /// <summary>Times in a row that a relay of the peer's own ticket did not find it.</summary>
    public int NotFound { get; set; }

    /// <summary>Relays that were asked for the peer's ticket and have not answered.</summary>
    public int LookingUp { get; set; }

    /// <summary>When they were asked, clock timestamp.</summary>
    public long LookupStarted { get; set; }

    /// <summary>When traffic last waited for this peer, clock timestamp; 0 = never.</summary>
    public long LastWanted { get; set; }

    /// <summary>When to look up next, clock timestamp.</summary>
    public long NextLookup { get; set; }

    /// <summary>Since when a UDP port at the relay is wanted, clock timestamp; 0 = it is not.</summary>
    public long RelayPortWanted { get; set; }

    /// <summary>When to ping the link next, clock timestamp.</summary>
    public long NextPing { get; set; }

    /// <summary>Delays between look-ups that found nothing.</summary>
    public Backoff Backoff { get; } = new(TimeSpan.FromSeconds(0.5), TimeSpan.FromSeconds(8));

    /// <summary>
    /// The device's ticket carries no tunnel key: a plain Diode device, reached by ports. A key seen once is never given up for this.
    /// </summary>
    public bool IsPlain { get; set; }

    /// <summary>The last look-up found the ticket of a plain device.</summary>
    public bool IsPlainOnline { get; set; }

    /// <summary>A relay gave a ticket without key in the look-up that is under way.</summary>
    public bool SawPlainTicket { get; set; }

    /// <summary>True if the peer answers now.</summary>
    public bool IsOnline => Link is { IsOpen: true } || Path is { IsOpen: true } || LivesOnPath || (IsPlain && IsPlainOnline);

    /// <summary>Counts packets that could not be sent.</summary>
    public void CountDrop(int packets = 1)
    {
        Interlocked.Add(ref _droppedPackets, packets);
    }

    /// <summary>Keeps a copy of a packet until the key is known. The oldest gives way.</summary>
    public void Wait(ReadOnlySpan<byte> packet, PacketPool pool)
    {
        PacketBuffer buffer = pool.Rent();
        if (!buffer.TryAssign(packet))
        {
            pool.Return(buffer);
            CountDrop();
            return;
        }

        lock (_waiting)
        {
            _waiting.Enqueue(buffer);
            if (_waiting.Count > MaxWaiting)
            {
                pool.Return(_waiting.Dequeue());
                CountDrop();
            }
        }
    }

    /// <summary>Takes the next waiting packet; the caller owns it.</summary>
    public bool TryTakeWaiting(out PacketBuffer? packet)
    {
        lock (_waiting)
        {
            return _waiting.TryDequeue(out packet);
        }
    }
}

/// <summary>The relay port of one use with one peer. Engine loop only.</summary>
internal sealed class PortSlot(RelayPortUse use)
{
    /// <summary>What the port carries.</summary>
    public RelayPortUse Use { get; } = use;

    /// <summary>The open port, null if there is none.</summary>
    public RelayPort? Port { get; set; }

    /// <summary>
    /// A newer port of the same use. Who opened it is only the relay's claim, so it replaces <see cref="Port"/> when the peer's key has
    /// been seen on it, or when <see cref="Port"/> closes.
    /// </summary>
    public RelayPort? Candidate { get; set; }

    /// <summary>An open that is under way; null if none is.</summary>
    public OpenAttempt? Attempt { get; set; }

    /// <summary>When <see cref="Port"/> was set, clock timestamp.</summary>
    public long Since { get; set; }

    /// <summary>When to try again, clock timestamp.</summary>
    public long NextAttempt { get; set; }
}

/// <summary>A relay was asked for a port.</summary>
/// <param name="Candidates">The relays to ask, standing at the one that was asked.</param>
/// <param name="Asked">When, clock timestamp.</param>
internal sealed record OpenAttempt(IEnumerator<RelayConnection> Candidates, long Asked);
