using Diode.Tunnel.Edge.Bert;
using Diode.Tunnel.Edge.Objects;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Relay.Kademlia;

namespace Diode.Tunnel.Relay.RelayPeers;

/// <summary>
/// What this relay knows about the others: the ring, the links that are up, its part of the DHT. No sockets, threads or
/// clocks. Thread-safe; sessions are never called under the lock.
/// </summary>
internal sealed class PeerCore
{
    /// <summary>Relays that are remembered.</summary>
    public const int MaxContacts = 4096;

    /// <summary>Ours: links at a time.</summary>
    public const int MaxLinks = 1024;

    /// <summary>Two links that came up within this time are two relays that dialled each other at once.</summary>
    public const int SimultaneousMs = 10_000;

    /// <summary>How long the second of two such links is left alone: a real relay may close the other one.</summary>
    public const int GraceMs = 2000;

    private readonly Lock _gate = new();
    private readonly Func<long, ServerObject> _ownObject;
    private readonly Dictionary<Address, PeerSession> _links = [];
    private readonly List<(PeerSession Session, long UntilMs)> _second = [];
    private readonly Dictionary<Address, PeerContact> _contacts = [];
    private HashSet<Address> _members;
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

    /// <summary>The devices of this relay, as other relays may use them; set once, before the first link.</summary>
    public IRemoteDevices? Devices { get; set; }

    /// <summary>The ring as of now.</summary>
    public RingView Ring => _ring;

    /// <summary>The own server object.</summary>
    public ServerObject GetOwnObject(long nowMs)
    {
        return _ownObject(nowMs);
    }

    /// <summary>The own server object in the form of peers.</summary>
    public byte[] EncodeOwnObject(long nowMs)
    {
        return _ownObject(nowMs).EncodeBert();
    }

    /// <summary>Replaces the ring.</summary>
    public void SetMembers(IEnumerable<Address> members)
    {
        lock (_gate)
        {
            _members = [.. members];
            Rebuild();
        }
    }

    /// <summary>The ring without this relay.</summary>
    public Address[] GetMembers()
    {
        lock (_gate)
        {
            return [.. _members.Where(member => member != Self)];
        }
    }

    /// <summary>Whether a relay is on the ring.</summary>
    public bool IsMember(Address relay)
    {
        lock (_gate)
        {
            return relay == Self || _members.Contains(relay);
        }
    }

    /// <summary>
    /// Registers a link whose peer has said hello; returns a link that must be closed for it, which may be the link itself.
    /// </summary>
    /// <remarks>
    /// The newest link counts, as with real relays: whoever dials has no other. When two relays dialled each other at once
    /// both would close the link the other one keeps; then the link counts that the relay with the lower address dialled,
    /// and the second one stays open for a moment, because a real relay decides by time and closes either.
    /// </remarks>
    public PeerSession? Add(PeerSession session, long nowMs)
    {
        if (session.Peer == Self)
        {
            return session;
        }

        lock (_gate)
        {
            _ = _links.TryGetValue(session.Peer, out PeerSession? other);
            if (other is null && _links.Count >= MaxLinks && !_members.Contains(session.Peer))
            {
                return session;
            }

            PeerContact contact = GetContactLocked(session.Peer);
            Remember(session.Peer, new PeerContact(nowMs, 0, 0, contact.LastErrorMs, null, contact.Flaps));
            bool simultaneous = other is { Failure: PeerCloseReason.None }
                && other.IsOutbound != session.IsOutbound
                && nowMs - other.ReadyMs < SimultaneousMs;
            PeerSession kept = simultaneous && session.IsOutbound != Self < session.Peer ? other! : session;
            _links[session.Peer] = kept;
            Rebuild();
            if (simultaneous)
            {
                _second.Add((ReferenceEquals(kept, session) ? other! : session, nowMs + GraceMs));
                return null;
            }

            return ReferenceEquals(other, session) ? null : other;
        }
    }

    /// <summary>Takes a link out that is down; does nothing for one that was replaced.</summary>
    public void Remove(PeerSession session, long nowMs)
    {
        lock (_gate)
        {
            _second.RemoveAll(second => ReferenceEquals(second.Session, session));
            if (!_links.TryGetValue(session.Peer, out PeerSession? current) || !ReferenceEquals(current, session))
            {
                return;
            }

            int at = _second.FindIndex(second => second.Session.Peer == session.Peer && second.Session.IsUsable);
            if (at >= 0)
            {
                _links[session.Peer] = _second[at].Session;
                _second.RemoveAt(at);
            }
            else
            {
                _links.Remove(session.Peer);
                RememberLost(session, nowMs);
            }

            Rebuild();
        }
    }

    /// <summary>Links that are no longer needed beside another one to the same relay; to be closed by the caller.</summary>
    public IReadOnlyList<PeerSession> TakeSecondLinks(long nowMs)
    {
        lock (_gate)
        {
            if (_second.Count == 0)
            {
                return [];
            }

            PeerSession[] due = [.. _second.Where(second => nowMs >= second.UntilMs).Select(second => second.Session)];
            _second.RemoveAll(second => nowMs >= second.UntilMs);
            return due;
        }
    }

    /// <summary>Notes an attempt to reach a relay that failed.</summary>
    public void MarkFailed(Address peer, long nowMs)
    {
        lock (_gate)
        {
            PeerContact contact = GetContactLocked(peer);
            int failures = Math.Min(contact.Failures + 1, short.MaxValue);
            long retryMs = nowMs + (RetryDelay.GetSeconds(failures) * 1000L);
            Remember(peer, contact with { Failures = failures, NextRetryMs = retryMs, LastErrorMs = nowMs });
        }
    }

    /// <summary>What is remembered about reaching a relay; zeros for an unknown one.</summary>
    public PeerContact GetContact(Address peer)
    {
        lock (_gate)
        {
            return GetContactLocked(peer);
        }
    }

    /// <summary>All relays that are remembered.</summary>
    public IReadOnlyList<KeyValuePair<Address, PeerContact>> GetContacts()
    {
        lock (_gate)
        {
            return [.. _contacts];
        }
    }

    /// <summary>Remembers what an earlier run knew.</summary>
    public void Restore(Address peer, PeerContact contact)
    {
        lock (_gate)
        {
            Remember(peer, contact);
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

    /// <summary>Descriptions of the relays nearest to SHA256(id), without this one; those that are known, three at most.</summary>
    public IEnumerable<ServerObject> GetNearest(ReadOnlySpan<byte> id, long nowMs)
    {
        return _ring.SelectHints(id).Select(relay => FindServer(relay, nowMs)).OfType<ServerObject>();
    }

    /// <summary>The NODE maps to answer with when there is no value; only relays whose description is known.</summary>
    public BertTerm[] GetHints(ReadOnlySpan<byte> id, long nowMs)
    {
        var nodes = new List<BertTerm>();
        foreach (ServerObject server in GetNearest(id, nowMs))
        {
            PeerContact contact = GetContact(server.Address);
            nodes.Add(PeerTerms.OfNode(server, contact.LastSeenMs / 1000, contact.Failures));
        }

        return [.. nodes];
    }

    // A relay that drops every link at once is not dialled in a loop. When two lose each other, one of them dials first.
    private void RememberLost(PeerSession session, long nowMs)
    {
        const int turnMs = 2000;
        PeerContact contact = GetContactLocked(session.Peer);
        int flaps = nowMs - session.ReadyMs < SimultaneousMs ? Math.Min(contact.Flaps + 1, short.MaxValue) : 0;
        long delayMs = Math.Max(Self < session.Peer ? 0 : turnMs, (flaps > 1 ? RetryDelay.GetSeconds(flaps) : 0) * 1000L);
        Remember(session.Peer, new PeerContact(nowMs, 0, nowMs + delayMs, contact.LastErrorMs, nowMs, flaps));
    }

    private PeerContact GetContactLocked(Address peer)
    {
        return _contacts.GetValueOrDefault(peer);
    }

    private void Rebuild()
    {
        _ring = new RingView(Self, _members, _links.Keys);
    }

    // When the table is full a stranger that was not seen for longest makes room.
    private void Remember(Address peer, PeerContact contact)
    {
        if (_contacts.Count >= MaxContacts && !_contacts.ContainsKey(peer))
        {
            Address oldest = _contacts
                .Where(pair => !_members.Contains(pair.Key) && !_links.ContainsKey(pair.Key))
                .OrderBy(pair => pair.Value.LastSeenMs ?? 0)
                .Select(pair => pair.Key)
                .FirstOrDefault(peer);
            _contacts.Remove(oldest);
        }

        if (_contacts.Count < MaxContacts || _contacts.ContainsKey(peer))
        {
            _contacts[peer] = contact;
        }
    }
}
