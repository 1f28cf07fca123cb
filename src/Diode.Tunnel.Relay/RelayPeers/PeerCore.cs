using Diode.Tunnel.Edge.Bert;
using Diode.Tunnel.Edge.Objects;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Relay.Kademlia;

namespace Diode.Tunnel.Relay.RelayPeers;

/// <summary>
/// What this relay knows about the others: the ring, the links that are up, its part of the DHT. No sockets, threads or
/// clocks. Thread-safe; sessions are not, and are never called under the lock.
/// </summary>
internal sealed class PeerCore
{
    /// <summary>Relays that are remembered.</summary>
    public const int MaxContacts = 4096;

    private readonly Lock _gate = new();
    private readonly Func<long, ServerObject> _ownObject;
    private readonly HashSet<Address> _members;
    private readonly Dictionary<Address, PeerSession> _links = [];
    private readonly Dictionary<Address, PeerContact> _contacts = [];
    private volatile RingView _ring;

    /// <param name="self">This relay.</param>
    /// <param name="ownObject">Makes the own server object for a time in unix milliseconds.</param>
    /// <param name="store">The own part of the DHT.</param>
    /// <param name="members">Relays that are trusted with objects; this one is a member in any case.</param>
    public PeerCore(Address self, Func<long, ServerObject> ownObject, DhtStore store, IEnumerable<Address> members)
    {
        Self = self;
        _ownObject = ownObject;
        Store = store;
        _members = [.. members];
        _ring = new RingView(self, _members, []);
    }

    /// <summary>This relay.</summary>
    public Address Self { get; }

    /// <summary>The own part of the DHT.</summary>
    public DhtStore Store { get; }

    /// <summary>Counters of all links.</summary>
    public PeerCounters Counters { get; } = new();

    /// <summary>The ring as of now.</summary>
    public RingView Ring => _ring;

    /// <summary>The own server object in the form of peers.</summary>
    public byte[] EncodeOwnObject(long nowMs)
    {
        return _ownObject(nowMs).EncodeBert();
    }

    /// <summary>
    /// Registers a link whose peer has said hello; returns the link to the same relay that it replaces, to be closed by
    /// the caller.
    /// </summary>
    public PeerSession? Add(PeerSession session, long nowMs)
    {
        lock (_gate)
        {
            _ = _links.Remove(session.Peer, out PeerSession? replaced);
            _links[session.Peer] = session;
            Remember(session.Peer, new PeerContact(nowMs, 0, 0));
            Rebuild();
            return ReferenceEquals(replaced, session) ? null : replaced;
        }
    }

    /// <summary>Takes a link out that is down; does nothing for one that was replaced.</summary>
    public void Remove(PeerSession session, long nowMs)
    {
        lock (_gate)
        {
            if (_links.TryGetValue(session.Peer, out PeerSession? current) && ReferenceEquals(current, session))
            {
                _links.Remove(session.Peer);
                Remember(session.Peer, new PeerContact(nowMs, 0, 0));
                Rebuild();
            }
        }
    }

    /// <summary>Notes an attempt to reach a relay that failed.</summary>
    public void MarkFailed(Address peer, long nowMs)
    {
        lock (_gate)
        {
            PeerContact contact = _contacts.GetValueOrDefault(peer);
            int failures = Math.Min(contact.Failures + 1, short.MaxValue);
            Remember(peer, new PeerContact(contact.LastSeenMs, failures, nowMs + (RetryDelay.GetSeconds(failures) * 1000L)));
        }
    }

    /// <summary>What is remembered about reaching a relay; zeros for an unknown one.</summary>
    public PeerContact GetContact(Address peer)
    {
        lock (_gate)
        {
            return _contacts.GetValueOrDefault(peer);
        }
    }

    /// <summary>The link to a relay, or null.</summary>
    public PeerSession? FindLink(Address peer)
    {
        lock (_gate)
        {
            return _links.GetValueOrDefault(peer);
        }
    }

    /// <summary>All links that are up.</summary>
    public IReadOnlyList<PeerSession> GetLinks()
    {
        lock (_gate)
        {
            return [.. _links.Values];
        }
    }

    /// <summary>The description of a relay, if it is known.</summary>
    public ServerObject? FindServer(Address relay, long nowMs)
    {
        return Store.TryGet(ObjectKeys.ToDhtKey(relay), nowMs, out DhtObject? value) ? value.Server : null;
    }

    /// <summary>The NODE maps to answer with when there is no value; only relays whose description is known.</summary>
    public BertTerm[] GetHints(ReadOnlySpan<byte> id, long nowMs)
    {
        var nodes = new List<BertTerm>();
        foreach (Address relay in _ring.SelectHints(id))
        {
            if (FindServer(relay, nowMs) is ServerObject server)
            {
                PeerContact contact = GetContact(relay);
                nodes.Add(PeerTerms.OfNode(server, contact.LastSeenMs / 1000, contact.Failures));
            }
        }

        return [.. nodes];
    }

    private void Rebuild()
    {
        _ring = new RingView(Self, _members, _links.Keys);
    }

    private void Remember(Address peer, PeerContact contact)
    {
        if (_contacts.Count < MaxContacts || _contacts.ContainsKey(peer))
        {
            _contacts[peer] = contact;
        }
    }
}
