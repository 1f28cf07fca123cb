using Diode.Tunnel.Edge.Objects;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Relay.Kademlia;

namespace Diode.Tunnel.Relay.RelayPeers;

/// <content>
/// Keeping in contact: seeds and ring members are dialled whenever they are due; members whose place is not known are
/// asked for. Strangers are never dialled here, only answered.
/// </content>
internal sealed partial class PeerNetwork
{
    private const int ContactIntervalMs = 1000;

    // Ours: dials at a time, and links that requests of devices may cause per second beyond the ring.
    private const int MaxDials = 16;

    // The first attempts to find a member follow quickly: relays of one operator start together.
    private const int FirstDiscoveryMs = 2000;
    private const int MaxDiscoveryMs = 3_600_000;
    private const int DiscoveryBatch = 40;
    private const int MaxBootstrapPeers = 3;

    private readonly PeerTarget[] _seeds;
    private readonly Dictionary<Address, long> _dialling = [];
    private readonly Dictionary<Address, (long NextMs, int WaitMs)> _discovery = [];
    private long _nextContactMs;

    /// <summary>Relays that are being dialled.</summary>
    public int DialCount
    {
        get
        {
            lock (_gate)
            {
                return _dialling.Count;
            }
        }
    }

    private void TickContacts(long nowMs)
    {
        if (nowMs < _nextContactMs)
        {
            return;
        }

        _nextContactMs = nowMs + ContactIntervalMs;
        Address[] members = _core.GetMembers();
        var unknown = new List<Address>();
        foreach (PeerTarget seed in _seeds)
        {
            Contact(seed.Relay, nowMs, seed);
        }

        foreach (Address member in members)
        {
            if (!Contact(member, nowMs, null) && !Array.Exists(_seeds, seed => seed.Relay == member))
            {
                unknown.Add(member);
            }
        }

        Discover(unknown, nowMs);
        RetryWrites(nowMs);
    }

    /// <summary>Dials a relay that is due; false when nobody knows where it is.</summary>
    private bool Contact(Address relay, long nowMs, PeerTarget? seed)
    {
        if (_core.FindLink(relay) is not null)
        {
            return true;
        }

        PeerContact contact = _core.GetContact(relay);
        if (FindTarget(relay, nowMs, seed, contact.Failures) is not PeerTarget target)
        {
            return false;
        }

        if (nowMs >= contact.NextRetryMs)
        {
            TryDial(target, nowMs);
        }

        return true;
    }

    // A seed is tried where the configuration says and where it says itself, in turn.
    private PeerTarget? FindTarget(Address relay, long nowMs, PeerTarget? seed, int failures)
    {
        PeerTarget? announced = _core.FindServer(relay, nowMs) is { PeerPort: > 0 } server
            ? new PeerTarget(relay, server.Host, server.PeerPort)
            : null;
        return seed is null || (announced is not null && failures % 2 == 1) ? announced : seed;
    }

    private bool TryDial(PeerTarget target, long nowMs)
    {
        lock (_gate)
        {
            if (_dialling.Count >= MaxDials || !_dialling.TryAdd(target.Relay, nowMs))
            {
                return false;
            }
        }

        _core.Counters.Dial();
        _dialer.Dial(target);
        return true;
    }

    private void EndDial(Address relay)
    {
        lock (_gate)
        {
            _dialling.Remove(relay);
        }
    }

    private void HurryDiscovery(long nowMs)
    {
        lock (_gate)
        {
            foreach (Address relay in _discovery.Keys.ToArray())
            {
                _discovery[relay] = (nowMs, FirstDiscoveryMs);
            }
        }
    }

    private void Discover(List<Address> unknown, long nowMs)
    {
        if (unknown.Count == 0 || !_core.GetLinks().Any(link => link.IsUsable))
        {
            return;
        }

        var due = new List<Address>();
        lock (_gate)
        {
            foreach (Address relay in unknown)
            {
                (long nextMs, int waitMs) = _discovery.GetValueOrDefault(relay, (nowMs, FirstDiscoveryMs));
                if (nowMs >= nextMs && due.Count < DiscoveryBatch)
                {
                    due.Add(relay);
                    _discovery[relay] = (nowMs + waitMs, Math.Min(2 * waitMs, MaxDiscoveryMs));
                }
            }

            if (_discovery.Count > 2 * unknown.Count)
            {
                foreach (Address known in _discovery.Keys.Except(unknown).ToArray())
                {
                    _discovery.Remove(known);
                }
            }
        }

        foreach (Address relay in due)
        {
            Hash256 key = ObjectKeys.ToDhtKey(relay);
            Find(key, nowMs, value =>
            {
                if (value is null)
                {
                    AskStrangers(key);
                }
            });
        }
    }

    // Relays outside of the ring are good enough to say where a member is: what it says about itself is signed.
    private void AskStrangers(Hash256 key)
    {
        long nowMs = _clock();
        foreach (PeerSession link in _core.GetLinks().Where(link => !_core.IsMember(link.Peer)).Take(MaxBootstrapPeers))
        {
            _ = link.TryFindValue(key, nowMs, reply =>
            {
                if (reply is PeerReply answer && ReadAnswer(key, answer, link.Peer, _clock()) is DhtObject value)
                {
                    _ = _core.Store.Put(value, link.Peer, _clock());
                }
            });
        }
    }
}
