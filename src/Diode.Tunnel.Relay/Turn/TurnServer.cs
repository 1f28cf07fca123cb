using System.Net;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Relay.Accounting;
using Diode.Tunnel.Relay.Datagrams;
using Diode.Tunnel.Relay.WireGuardExit;

namespace Diode.Tunnel.Relay.Turn;

/// <summary>
/// TURN (RFC 8656, UDP, IPv4 peers) and STUN binding without sockets and threads. Thread-safe, but
/// <see cref="ReceiveFromClient"/> has one thread.
/// </summary>
internal sealed partial class TurnServer : ITurnService
{
    private const long CredentialMs = 86_400_000;
    private const long TickIntervalMs = 1000;

    // Clients come back for a credential before the old one ends; a new one then replaces it.
    private readonly Lock _gate = new();
    private readonly RelayCore _relay;
    private readonly RelayClock _clock;
    private readonly TurnOptions _options;
    private readonly ITurnOutput _output;
    private readonly TurnNonces _nonces = new();
    private readonly Dictionary<string, TurnUser> _users = [];
    private readonly Dictionary<Address, TurnUser> _userOfDevice = [];
    private readonly Dictionary<UdpRemoteKey, TurnAllocation> _allocations = [];
    private readonly Dictionary<UInt128, int> _allocationsOfAddress = [];
    private readonly HashSet<ushort> _relayPorts = [];
    private readonly string _url;
    private readonly long _bytesPerSecond;
    private readonly uint _external;
    private volatile ExitDestinations _destinations;
    private long _tickedMs;

    /// <param name="relay">Accounts and sessions.</param>
    /// <param name="clock">Unix time of the relay.</param>
    /// <param name="options">Limits.</param>
    /// <param name="host">What clients are told to connect to.</param>
    /// <param name="external">IPv4 address of relayed transport addresses.</param>
    /// <param name="output">Sockets.</param>
    public TurnServer(
        RelayCore relay, RelayClock clock, TurnOptions options, string host, IPAddress external, ITurnOutput output)
    {
        _relay = relay;
        _clock = clock;
        _options = options;
        _output = output;
        _external = ExitAddressPool.ToNumber(external);
        _bytesPerSecond = options.AllocationMegabits * 125_000L;
        _destinations = new ExitDestinations([]);
        _url = $"turn:{(host.Contains(':', StringComparison.Ordinal) ? $"[{host}]" : host)}:{options.Port}?transport=udp";
        _realm = System.Text.Encoding.UTF8.GetBytes(options.Realm);
    }

    /// <inheritdoc/>
    public bool Enabled { get; set; }

    /// <summary>Relayed addresses in use.</summary>
    public int AllocationCount
    {
        get
        {
            lock (_gate)
            {
                return _allocations.Count;
            }
        }
    }

    /// <summary>Tells which addresses are this machine's: nothing but our own relayed addresses is reached there.</summary>
    public void SetOwnAddresses(IEnumerable<IPAddress> addresses)
    {
        _destinations = new ExitDestinations(addresses.Append(ExitAddressPool.ToAddress(_external)));
    }

    /// <inheritdoc/>
    public TurnCredential? OpenCredential(Address device)
    {
        if (!Enabled)
        {
            return null;
        }

        long nowMs = _clock.NowMs;
        lock (_gate)
        {
            if (_userOfDevice.TryGetValue(device, out TurnUser? user) && user.ExpiresMs <= nowMs)
            {
                RemoveLocked(user);
                user = null;
            }

            if (user is null)
            {
                if (_users.Count >= _options.MaxCredentials
                    || !_relay.Tickets.TryOpenAccount(device, nowMs, out DeviceAccount? account))
                {
                    return null;
                }

                user = new TurnUser(account, _options.Realm, nowMs, nowMs + CredentialMs);
                _users[user.Username] = user;
                _userOfDevice[device] = user;
            }

            return new TurnCredential(
                user.Username,
                user.Password,
                _url,
                _options.Realm,
                (user.ExpiresMs - nowMs) / 1000,
                user.ExpiresMs / 1000);
        }
    }

    /// <summary>Ends what has expired or is not paid for; a few times a second.</summary>
    public void Tick(long nowMs)
    {
        lock (_gate)
        {
            if (Math.Abs(nowMs - _tickedMs) < TickIntervalMs)
            {
                return;
            }

            _tickedMs = nowMs;
            foreach (TurnUser user in _users.Values.Where(user => user.ExpiresMs <= nowMs).ToArray())
            {
                RemoveLocked(user);
            }

            Dictionary<TurnUser, bool> standing = [];
            foreach (TurnAllocation allocation in _allocations.Values.ToArray())
            {
                TurnUser user = allocation.User;
                if (!standing.TryGetValue(user, out bool mayGoOn))
                {
                    mayGoOn = user.MayGoOn(_relay.IsConnected(user.Account.Device), nowMs);
                    standing[user] = mayGoOn;
                }

                allocation.IsSuspended = !mayGoOn;
                if (allocation.ExpiresMs <= nowMs)
                {
                    RemoveLocked(allocation);
                }
            }
        }
    }

    /// <summary>Ends all.</summary>
    public void Close()
    {
        lock (_gate)
        {
            Enabled = false;
            foreach (TurnUser user in _users.Values.ToArray())
            {
                RemoveLocked(user);
            }
        }
    }

    private void RemoveLocked(TurnUser user)
    {
        foreach (TurnAllocation allocation in _allocations.Values.Where(a => ReferenceEquals(a.User, user)).ToArray())
        {
            RemoveLocked(allocation);
        }

        _users.Remove(user.Username);
        _userOfDevice.Remove(user.Account.Device);
        _relay.Tickets.CloseAccount(user.Account);
    }

    private void RemoveLocked(TurnAllocation allocation)
    {
        var key = UdpRemoteKey.Of(allocation.Client);
        if (!_allocations.Remove(key))
        {
            return;
        }

        allocation.User.Allocations--;
        _relayPorts.Remove(allocation.Relay.Port);
        if (--System.Runtime.InteropServices.CollectionsMarshal.GetValueRefOrAddDefault(_allocationsOfAddress, key.Network, out _) == 0)
        {
            _allocationsOfAddress.Remove(key.Network);
        }

        allocation.Relay.Close();
    }

    // Relayed addresses of this server may talk to each other: two clients behind it do exactly that.
    private bool IsAllowed(TurnPeer peer)
    {
        return _relayPorts.Contains(peer.Port) && peer.Ip == _external || IsAllowed(peer.Ip) && peer.Ip != _external;
    }

    private bool IsAllowed(uint ip)
    {
        return ip == _external || (_options.AllowPrivatePeers ? !_destinations.IsOwn(ip) : _destinations.IsAllowed(ip));
    }
}
