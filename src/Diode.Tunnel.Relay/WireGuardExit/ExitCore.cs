using System.Net;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Relay.Accounting;
using Diode.Tunnel.Relay.Sessions;
using Diode.Tunnel.WireGuard;

namespace Diode.Tunnel.Relay.WireGuardExit;

/// <summary>
/// The exit without sockets, adapter and threads: who may use it, with which address, for how long, and the way of a
/// packet. Thread-safe, but <see cref="ReceiveDatagrams"/> and <see cref="SendPacket"/> have one thread each.
/// </summary>
internal sealed partial class ExitCore : IWireGuardExit, IWireGuardOutput, IDisposable
{
    // Opening costs a millisecond of key agreement.
    private const int OpenBurst = 1000;
    private const int OpensPerSecond = 200;

    private const long SettleIntervalMs = 1000;
    private const long NeverHeardMs = 3 * 60 * 1000;
    private const long SuspendedMs = 10 * 60 * 1000;
    private const long GoneMs = 3600 * 1000;
    private const long IdleMs = 24 * GoneMs;

    // Packets of a client that has no keys at the moment.
    private const int StagedPackets = 32;

    private readonly Lock _gate = new();
    private readonly RelayCore _relay;
    private readonly RelayClock _clock;
    private readonly TimeProvider _time;
    private readonly WireGuardExitOptions _options;
    private readonly string _host;
    private readonly IExitOutput _output;
    private readonly WireGuardInterface _wireGuard;
    private readonly string _publicKey;
    private readonly ExitAddressPool _pool;
    private readonly Dictionary<Address, ExitClient> _clients = [];
    private readonly int _maxClients;
    private readonly long _clientBytesPerSecond;
    private TokenBucket _opens = new(OpenBurst, OpensPerSecond);
    private volatile bool _isUp;
    private long _settledMs;
    private bool _changed;

    /// <param name="relay">Accounts and sessions.</param>
    /// <param name="clock">Unix time of the relay.</param>
    /// <param name="time">Monotonic time.</param>
    /// <param name="options">Limits.</param>
    /// <param name="host">What clients are told to connect to.</param>
    /// <param name="pool">Network of the clients' addresses.</param>
    /// <param name="privateKey">32 bytes; copied.</param>
    /// <param name="output">Where bytes go.</param>
    public ExitCore(
        RelayCore relay,
        RelayClock clock,
        TimeProvider time,
        WireGuardExitOptions options,
        string host,
        IPNetwork pool,
        ReadOnlySpan<byte> privateKey,
        IExitOutput output)
    {
        _relay = relay;
        _clock = clock;
        _time = time;
        _options = options;
        _host = options.Host ?? host;
        _output = output;
        _pool = new ExitAddressPool(pool);
        _maxClients = Math.Min(options.MaxClients, _pool.Capacity);
        _clientBytesPerSecond = options.ClientMegabits * 125_000L;
        _destinations = new ExitDestinations([], pool, _pool.Gateway);
        _wireGuard = new WireGuardInterface(
            privateKey,
            new WireGuardOptions
            {
                UtcNow = time.GetUtcNow,
                Mtu = options.Mtu,
                Aead = ExitAead.Factory,
                StagedPacketsPerPeer = StagedPackets,
                AeadContextsPerDirection = 1,
            },
            this);
        _train = new PacketTrain(_wireGuard);
        _publicKey = _wireGuard.PublicKey.ToString();
        Port = options.Port;
    }

    /// <inheritdoc/>
    public bool Enabled => _isUp;

    /// <summary>Set when adapter and firewall are in order; only then clients are let in.</summary>
    public bool IsUp
    {
        get => _isUp;
        set => _isUp = value;
    }

    /// <summary>The UDP port told to clients.</summary>
    public int Port { get; set; }

    /// <summary>Address of the exit inside the tunnel.</summary>
    public IPAddress Gateway => _pool.Gateway;

    /// <summary>Clients that may connect.</summary>
    public int ClientCount
    {
        get
        {
            lock (_gate)
            {
                return _clients.Count;
            }
        }
    }

    private long Now => _time.GetElapsedTime(0).Ticks;

    /// <inheritdoc/>
    public WireGuardSessionInfo? Open(Address device, ReadOnlySpan<byte> key, out WireGuardOpenError error)
    {
        if (key.Length != TunnelPublicKey.Length)
        {
            error = WireGuardOpenError.InvalidKey;
            return null;
        }

        error = WireGuardOpenError.Failed;
        if (!_isUp)
        {
            return null;
        }

        var publicKey = new TunnelPublicKey(key);
        long nowMs = _clock.NowMs;
        lock (_gate)
        {
            bool known = _clients.TryGetValue(device, out ExitClient? client);
            if (known && !client!.Opens.TryTake(nowMs))
            {
                return null;
            }

            if (known && client!.Key == publicKey)
            {
                client.HeardMs = nowMs;
                error = WireGuardOpenError.None;
                return Describe(client);
            }

            if (!_opens.TryTake(nowMs) || (!known && _clients.Count >= _maxClients))
            {
                return null;
            }

            client = known ? ReplaceLocked(client!, publicKey, nowMs) : AddLocked(device, publicKey, nowMs, ref error);
            if (client is null)
            {
                error = known ? WireGuardOpenError.InvalidKey : error;
                return null;
            }

            error = WireGuardOpenError.None;
            return Describe(client);
        }
    }

    /// <inheritdoc/>
    public void Close(Address device)
    {
        lock (_gate)
        {
            if (_clients.TryGetValue(device, out ExitClient? client))
            {
                RemoveLocked(client);
            }
        }
    }

    /// <summary>Timers of WireGuard; once a second what was carried is charged and who is gone is removed.</summary>
    public void Tick(long nowMs)
    {
        _wireGuard.Tick(Now);
        lock (_gate)
        {
            if (Math.Abs(nowMs - _settledMs) < SettleIntervalMs)
            {
                return;
            }

            _settledMs = nowMs;
            List<ExitClient>? gone = null;
            foreach (ExitClient client in _clients.Values)
            {
                bool isConnected = _relay.IsConnected(client.Device);
                bool wasHeard = client.WasHeard;
                bool hadPaid = client.HasPaid;
                if (client.Settle(isConnected, nowMs) && client.IsSuspended)
                {
                    _relay.Counters.ExitClientSuspended();
                }

                _changed |= wasHeard != client.WasHeard || hadPaid != client.HasPaid;
                if (IsOver(client, isConnected, nowMs))
                {
                    (gone ??= []).Add(client);
                }
            }

            foreach (ExitClient client in gone ?? [])
            {
                _relay.Counters.ExitClientExpired();
                RemoveLocked(client);
            }
        }
    }

    /// <summary>The clients for the file if anything changed since the last call; otherwise null.</summary>
    public byte[]? TakeChanges()
    {
        lock (_gate)
        {
            if (!_changed)
            {
                return null;
            }

            _changed = false;
            return ExitClientFile.Write(_pool.Network, _clients.Values.Select(static client => new ExitClientRecord(
                client.Device, client.Key, client.ClientAddress, client.HasPaid, client.WasHeard)));
        }
    }

    /// <summary>What could not be written is tried again.</summary>
    public void MarkChanged()
    {
        lock (_gate)
        {
            _changed = true;
        }
    }

    /// <summary>Lets the clients of an earlier process in again; those that do not fit are left out.</summary>
    /// <returns>How many there are.</returns>
    public int Restore(IEnumerable<ExitClientRecord> records)
    {
        long nowMs = _clock.NowMs;
        lock (_gate)
        {
            foreach (ExitClientRecord record in records)
            {
                if (_clients.Count < _maxClients && !_clients.ContainsKey(record.Device) && _pool.TryClaim(record.Address))
                {
                    ExitClient? client = TryCreateLocked(record.Device, record.Key, record.Address, nowMs, record.HasPaid);
                    if (client is null)
                    {
                        _pool.Release(record.Address);
                    }
                    else
                    {
                        client.WasHeard = record.WasHeard;
                    }
                }
            }

            _changed = false;
            return _clients.Count;
        }
    }

    /// <summary>Charges what is left and ends all sessions, which stay in the file. No other call may be under way.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _isUp = false;
            long nowMs = _clock.NowMs;
            foreach (ExitClient client in _clients.Values)
            {
                client.Settle(isConnected: true, nowMs);
                _relay.Tickets.CloseAccount(client.Account);
            }

            _clients.Clear();
            _wireGuard.Dispose();
        }
    }

    private static bool IsOver(ExitClient client, bool isConnected, long nowMs)
    {
        long silentMs = nowMs - client.HeardMs;
        return (client.SuspendedMs != 0 && nowMs - client.SuspendedMs >= SuspendedMs)
            || silentMs >= IdleMs
            || (!isConnected && silentMs >= (client.WasHeard ? GoneMs : NeverHeardMs));
    }

    private ExitClient? AddLocked(Address device, TunnelPublicKey key, long nowMs, ref WireGuardOpenError error)
    {
        Span<byte> bytes = stackalloc byte[TunnelPublicKey.Length];
        key.CopyTo(bytes);
        if (!_pool.TryTake(bytes, out uint address))
        {
            return null;
        }

        ExitClient? client = TryCreateLocked(device, key, address, nowMs, hasPaid: false);
        if (client is null)
        {
            _pool.Release(address);
            error = WireGuardOpenError.InvalidKey;
        }

        return client;
    }

    // The address goes from the old key to the new one: what the device has open survives.
    private ExitClient? ReplaceLocked(ExitClient old, TunnelPublicKey key, long nowMs)
    {
        Peer? peer = TryAddPeer(key, out ExitClient? client, old.Account, old.ClientAddress, nowMs, old.HasPaid);
        if (peer is null)
        {
            return null;
        }

        client!.Opens = old.Opens;
        _wireGuard.RemovePeer(old.Peer);
        old.Settle(isConnected: true, nowMs);
        _wireGuard.SetAllowedIps(peer, [new IPNetwork(ExitAddressPool.ToAddress(client.ClientAddress), 32)]);
        _clients[client.Device] = client;
        _changed = true;
        return client;
    }

    private ExitClient? TryCreateLocked(Address device, TunnelPublicKey key, uint address, long nowMs, bool hasPaid)
    {
        if (!_relay.Tickets.TryOpenAccount(device, nowMs, out DeviceAccount? account))
        {
            return null;
        }

        Peer? peer = TryAddPeer(key, out ExitClient? client, account, address, nowMs, hasPaid);
        if (peer is null)
        {
            _relay.Tickets.CloseAccount(account);
            return null;
        }

        _wireGuard.SetAllowedIps(peer, [new IPNetwork(ExitAddressPool.ToAddress(address), 32)]);
        _clients[device] = client!;
        _changed = true;
        return client;
    }

    // Null for keys of low order, our own, and those of other devices: a key is no proof of who opens.
    private Peer? TryAddPeer(
        TunnelPublicKey key, out ExitClient? client, DeviceAccount account, uint address, long nowMs, bool hasPaid)
    {
        Span<byte> bytes = stackalloc byte[TunnelPublicKey.Length];
        key.CopyTo(bytes);
        client = new ExitClient(account, key, address, nowMs, hasPaid);
        if (!_wireGuard.TryAddPeer(bytes, new PeerOptions { Tag = client }, out Peer? peer))
        {
            return null;
        }

        client.Peer = peer;
        return peer;
    }

    private void RemoveLocked(ExitClient client)
    {
        _wireGuard.RemovePeer(client.Peer);
        client.Settle(isConnected: true, _clock.NowMs);
        _clients.Remove(client.Device);
        _pool.Release(client.ClientAddress);
        _relay.Tickets.CloseAccount(client.Account);
        _changed = true;
    }

    private WireGuardSessionInfo Describe(ExitClient client) =>
        new(_publicKey, _host, Port, $"{ExitAddressPool.ToAddress(client.ClientAddress)}/32");
}
