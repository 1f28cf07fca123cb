using Diode.Tunnel.Relay.Datagrams;

namespace Diode.Tunnel.Relay.Turn;

/// <summary>
/// A relayed transport address of one client (RFC 8656 §5): permissions and channels. Thread-safe.
/// </summary>
internal sealed class TurnAllocation(UdpRemote client, TurnUser user, byte[] transactionId, long expiresMs)
{
    private const int MaxPermissions = 128;
    private const int MaxChannels = 128;
    private const long PermissionMs = 300_000;
    private const long ChannelMs = 600_000;

    private readonly Lock _gate = new();
    private readonly Dictionary<uint, long> _permissions = [];
    private readonly Dictionary<ushort, (TurnPeer Peer, long ExpiresMs)> _channels = [];
    private readonly Dictionary<TurnPeer, ushort> _channelOfPeer = [];
    private ByteBudget _toPeers;
    private ByteBudget _toClient;
    private volatile bool _isSuspended;

    public UdpRemote Client { get; } = client;

    public TurnUser User { get; } = user;

    /// <summary>Of the request that made it: the same request again gets the same answer.</summary>
    public byte[] TransactionId { get; } = transactionId;

    /// <summary>Set right after construction.</summary>
    public ITurnRelay Relay { get; set; } = null!;

    /// <summary>Under the lock of the server.</summary>
    public long ExpiresMs { get; set; } = expiresMs;

    /// <summary>Nothing is carried until the device pays.</summary>
    public bool IsSuspended
    {
        get => _isSuspended;
        set => _isSuspended = value;
    }

    /// <summary>Lets a peer send for five minutes; false when there are too many.</summary>
    public bool TryPermit(uint ip, long nowMs)
    {
        lock (_gate)
        {
            return TryPermitLocked(ip, nowMs);
        }
    }

    /// <summary>Binds a channel for ten minutes; false when number or peer are bound otherwise, or there are too many.</summary>
    public bool TryBindChannel(ushort number, TurnPeer peer, long nowMs)
    {
        lock (_gate)
        {
            ExpireChannelsLocked(nowMs);
            bool known = _channels.TryGetValue(number, out (TurnPeer Peer, long ExpiresMs) channel);
            if ((known && channel.Peer != peer)
                || (_channelOfPeer.TryGetValue(peer, out ushort bound) && bound != number)
                || (!known && _channels.Count >= MaxChannels)
                || !TryPermitLocked(peer.Ip, nowMs))
            {
                return false;
            }

            _channels[number] = (peer, nowMs + ChannelMs);
            _channelOfPeer[peer] = number;
            return true;
        }
    }

    /// <summary>The peer of a channel, if data may go there now.</summary>
    public bool TryGetPeer(ushort channel, int bytes, long rate, long nowMs, out TurnPeer peer)
    {
        lock (_gate)
        {
            bool bound = _channels.TryGetValue(channel, out (TurnPeer Peer, long ExpiresMs) found) && found.ExpiresMs > nowMs;
            peer = found.Peer;
            return bound && MaySendLocked(peer, bytes, rate, nowMs);
        }
    }

    /// <summary>Whether data may go to a peer now.</summary>
    public bool MaySend(TurnPeer peer, int bytes, long rate, long nowMs)
    {
        lock (_gate)
        {
            return MaySendLocked(peer, bytes, rate, nowMs);
        }
    }

    /// <summary>Whether data of a peer may go to the client now, and by which channel; 0 = by none.</summary>
    public bool MayReceive(TurnPeer peer, int bytes, long rate, long nowMs, out ushort channel)
    {
        lock (_gate)
        {
            channel = _channelOfPeer.TryGetValue(peer, out ushort bound) && _channels[bound].ExpiresMs > nowMs ? bound : (ushort)0;
            return !_isSuspended
                && _permissions.TryGetValue(peer.Ip, out long expires)
                && expires > nowMs
                && _toClient.TryTake(bytes, rate, nowMs * TimeSpan.TicksPerMillisecond);
        }
    }

    private bool MaySendLocked(TurnPeer peer, int bytes, long rate, long nowMs)
    {
        return !_isSuspended
            && _permissions.TryGetValue(peer.Ip, out long expires)
            && expires > nowMs
            && _toPeers.TryTake(bytes, rate, nowMs * TimeSpan.TicksPerMillisecond);
    }

    private bool TryPermitLocked(uint ip, long nowMs)
    {
        if (!_permissions.ContainsKey(ip) && _permissions.Count >= MaxPermissions)
        {
            foreach ((uint old, long expires) in _permissions)
            {
                if (expires <= nowMs)
                {
                    _permissions.Remove(old);
                }
            }

            if (_permissions.Count >= MaxPermissions)
            {
                return false;
            }
        }

        _permissions[ip] = nowMs + PermissionMs;
        return true;
    }

    private void ExpireChannelsLocked(long nowMs)
    {
        foreach ((ushort number, (TurnPeer peer, long expires)) in _channels)
        {
            if (expires <= nowMs)
            {
                _channels.Remove(number);
                _channelOfPeer.Remove(peer);
            }
        }
    }
}
