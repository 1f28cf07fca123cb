using System.Security.Cryptography;
using Diode.Tunnel.Edge.Objects;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.Rlp;
using Diode.Tunnel.Relay.Accounting;
using Diode.Tunnel.Relay.Chains;
using Diode.Tunnel.Relay.Channels;
using Diode.Tunnel.Relay.PhysicalPorts;
using Diode.Tunnel.Relay.Ports;
using Diode.Tunnel.Relay.RelayPeers;
using Diode.Tunnel.Relay.Sessions;
using Diode.Tunnel.Relay.Turn;
using Diode.Tunnel.Relay.WireGuardExit;

namespace Diode.Tunnel.Relay;

/// <summary>
/// Everything the relay knows and decides, without sockets, threads or clocks: sessions, ports, tickets, its own
/// server object. Time comes in as unix milliseconds. Thread-safe.
/// </summary>
internal sealed class RelayCore
{
    private const uint FirstRef = 0x1_0000;

    private readonly ServerAnnouncement _announcement;
    private readonly IChainClock _chain;
    private long _lastSessionId;

    public RelayCore(
        PrivateKey key,
        RelayLimits limits,
        ServerAnnouncement announcement,
        IChainClock chain,
        ITicketStore store,
        IPhysicalSocketFactory sockets,
        Func<uint>? nextRef = null,
        RelayCounters? counters = null)
    {
        Counters = counters ?? new RelayCounters();
        Address = key.Address;
        Limits = limits;
        _announcement = announcement;
        SlowReaderMs = (long)limits.SlowReaderTimeout.TotalMilliseconds;
        Tickets = new TicketLedger(key, chain, store, limits.MaxDevices);
        Ports = new PortTable(
            nextRef ?? (() => (uint)RandomNumberGenerator.GetInt32((int)FirstRef, int.MaxValue)),
            limits.MaxPortsPerSession,
            Counters);
        PhysicalPorts = new PhysicalPortTable(sockets, limits, Counters);
        Channels = new ChannelTable(limits.MaxChannels);
        RemoteDevices = new RemoteDevices(this);
        _chain = chain;
        AnnounceFeatures();
    }

    public Address Address { get; }

    /// <summary>What the relay says about itself.</summary>
    public ServerAnnouncement Announcement => _announcement;

    public RelayLimits Limits { get; }

    public long SlowReaderMs { get; }

    public RelayCounters Counters { get; }

    public SessionDirectory Directory { get; } = new();

    public PortTable Ports { get; }

    public PhysicalPortTable PhysicalPorts { get; }

    public ChannelTable Channels { get; }

    public TicketLedger Tickets { get; }

    /// <summary>What other relays may ask for; handed to <see cref="Network"/>.</summary>
    public IRemoteDevices RemoteDevices { get; }

    /// <summary>The chains, when the relay has upstreams for any; set once before the first session.</summary>
    public IChainGateway? Chains { get; set; }

    /// <summary>The other relays, when this one has links to any; set once before the first session.</summary>
    public IObjectNetwork? Network { get; set; }

    /// <summary>WebSockets of devices, when the JSON-RPC interface is served.</summary>
    public IDeviceListeners? Listeners { get; set; }

    /// <summary>The exit; set before the first session, or when it has come up.</summary>
    public IWireGuardExit WireGuard { get; set; } = NoWireGuardExit.Instance;

    /// <summary>TURN; set before the first session.</summary>
    public ITurnService Turn { get; set; } = NoTurnService.Instance;

    /// <summary>Version, description and features, encoded.</summary>
    public byte[] VersionReply { get; private set; } = [];

    /// <summary>
    /// Admits a peer whose key is proven; null when the relay is full. Must be paired with <see cref="Remove"/>.
    /// </summary>
    public RelaySession? TryAdd(Address device, IRelayLink link, long nowMs)
    {
        if (Directory.Count >= Limits.MaxSessions || !Tickets.TryOpenAccount(device, nowMs, out DeviceAccount? account))
        {
            return null;
        }

        var session = new RelaySession(this, Interlocked.Increment(ref _lastSessionId), account, link, nowMs);
        foreach (RelaySession older in Directory.FindAll(device))
        {
            older.CheckAlive();
        }

        Directory.Add(session);
        Counters.SessionOpened();
        return session;
    }

    /// <summary>Takes a session out: others see its ports close and it can no longer be found.</summary>
    public void Remove(RelaySession session)
    {
        Directory.Remove(session);
        session.MarkClosed();
        session.Edge.Output.Close();
        Ports.CloseAll(session);
        PhysicalPorts.CloseAll(session);
        Tickets.CloseAccount(session.Account);
    }

    /// <summary>Deadlines of sessions and ports, the turn of the epoch. A few times a second.</summary>
    public void Tick(long nowMs)
    {
        Ports.Tick(nowMs);
        PhysicalPorts.Tick(nowMs);
        Channels.Tick(nowMs);
        Tickets.Tick(nowMs);
        foreach (RelaySession session in Directory.Snapshot())
        {
            CloseReason reason = session.Tick(nowMs);
            if (reason != CloseReason.None)
            {
                session.Close(reason);
            }
        }
    }

    /// <summary>Whether a device has a session, and so can be asked for tickets.</summary>
    public bool IsConnected(Address device)
    {
        return Directory.FindOldest(device) is not null;
    }

    /// <summary>The relay's own signed object as an encoded list.</summary>
    public ReadOnlySpan<byte> GetServerObject(long nowMs)
    {
        return _announcement.GetObject(Tickets.TotalScore, nowMs);
    }

    /// <summary>The relay's own signed object.</summary>
    public ServerObject GetServer(long nowMs)
    {
        return _announcement.GetServer(Tickets.TotalScore, nowMs);
    }

    /// <summary>Tells in the server object and the reply to <c>version</c> what runs; again after a service came or went.</summary>
    public void AnnounceFeatures()
    {
        List<string> features = [];
        if (Turn.Enabled)
        {
            features.Add("turn");
        }

        if (WireGuard.Enabled)
        {
            features.Add("wg_exit");
        }

        _announcement.Features = string.Join(',', features);
        var writer = new RlpWriter();
        writer.WriteText(_announcement.Version);
        writer.WriteText(_announcement.Description);
        writer.WriteText(_announcement.Features);
        VersionReply = writer.ToArray();
    }

    /// <summary>Delivers a message to all sessions of a device; false when none could take it.</summary>
    public bool DeliverMessage(Address device, ReadOnlySpan<byte> payload, ReadOnlySpan<byte> metadata)
    {
        bool delivered = Listeners?.Deliver(device, payload, metadata) is true;
        foreach (RelaySession session in Directory.FindAll(device))
        {
            if (session.Edge.TrySendMessage(payload, metadata))
            {
                delivered = true;
                Counters.MessageDelivered();
            }
        }

        return delivered;
    }

    /// <summary>The hash of a block, if it is known without asking.</summary>
    public Hash256? FindBlockHash(ulong chainId, ulong number)
    {
        Hash256 hash = default;
        bool found = Chains?.TryGetBlockHash(chainId, number, out hash) == true
            || _chain.TryGetBlockHash(chainId, number, out hash);
        return found ? hash : null;
    }

    /// <summary>The hash of a block; null when there is none or it cannot be read.</summary>
    public async ValueTask<Hash256?> FindBlockHashAsync(ulong chainId, ulong number, CancellationToken cancel)
    {
        Hash256? known = FindBlockHash(chainId, number);
        return known is null && Chains is not null && Chains.IsReadable(chainId)
            ? await Chains.GetBlockHashAsync(chainId, number, cancel)
            : known;
    }
}
