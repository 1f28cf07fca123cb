using Diode.Tunnel.Edge.Objects;
using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Rlp;
using Diode.Tunnel.Relay.Kademlia;

namespace Diode.Tunnel.Relay.RelayPeers;

/// <summary>
/// What this relay does on its own behalf with the others (reference §7.5): finds and keeps objects, keeps in contact,
/// carries ports and messages. No sockets, threads or clocks of its own; everything is driven by calls, answers of links and
/// <see cref="Tick"/>. Thread-safe; callbacks run without locks.
/// </summary>
internal sealed partial class PeerNetwork : IObjectNetwork
{
    /// <summary>How often the own server object is stored anew.</summary>
    public const int OwnObjectIntervalMs = 300_000;

    /// <summary>A ticket of a device is stored at once and then so often at most.</summary>
    public const int TicketWaitMs = 15_000;

    /// <summary>The own object follows tickets so often at most.</summary>
    public const int OwnObjectWaitMs = 10_000;

    private readonly Lock _gate = new();
    private readonly PeerCore _core;
    private readonly IPeerDialer _dialer;
    private readonly Func<long> _clock;
    private readonly Debounce _published = new(100_000);
    private readonly Hash256 _ownKey;
    private long _nextOwnMs;

    /// <param name="core">What this relay knows.</param>
    /// <param name="dialer">Makes connections.</param>
    /// <param name="clock">Unix milliseconds, for calls that carry no time.</param>
    /// <param name="seeds">Relays that are kept in contact in any case.</param>
    public PeerNetwork(PeerCore core, IPeerDialer dialer, Func<long> clock, IEnumerable<PeerTarget> seeds)
    {
        _core = core;
        _dialer = dialer;
        _clock = clock;
        _seeds = [.. seeds.Where(seed => seed.Relay != core.Self)];
        _ownKey = ObjectKeys.ToDhtKey(core.Self);
        _nextOwnMs = clock() + OwnObjectIntervalMs;
    }

    /// <summary>What this relay knows.</summary>
    public PeerCore Core => _core;

    /// <inheritdoc/>
    public async ValueTask<byte[]?> FindObjectAsync(ReadOnlyMemory<byte> key, CancellationToken cancel)
    {
        return await FindEncodedAsync(Hash256.Sha256(key.Span), null, cancel);
    }

    /// <inheritdoc/>
    public async ValueTask<byte[]?> FindNodeAsync(Address relay, CancellationToken cancel)
    {
        long nowMs = _clock();
        ServerObject? server = relay == _core.Self ? _core.GetOwnObject(nowMs) : null;
        if (server is null && _core.FindLink(relay) is { IsUsable: true })
        {
            // It told us itself.
            server = _core.FindServer(relay, nowMs);
        }

        return server is not null
            ? Encode(server)
            : await FindEncodedAsync(ObjectKeys.ToDhtKey(relay), DhtObjectKind.Server, cancel);
    }

    /// <inheritdoc/>
    public IReadOnlyList<byte[]> NearestNodes(ReadOnlySpan<byte> key)
    {
        return [.. _core.GetNearest(key, _clock()).Select(Encode)];
    }

    /// <inheritdoc/>
    public IReadOnlyList<NetworkNode> ListNodes()
    {
        long nowMs = _clock();
        List<NetworkNode> nodes =
        [
            new NetworkNode(_core.Self, true, true, true, nowMs, null, 0, _core.GetOwnObject(nowMs)),
        ];
        HashSet<Address> linked = [.. _core.GetLinks().Where(link => link.IsUsable).Select(link => link.Peer)];
        HashSet<Address> members = [.. _core.GetMembers()];
        var contacts = _core.GetContacts().ToDictionary();
        foreach (Address relay in members.Union(contacts.Keys).Where(relay => relay != _core.Self))
        {
            PeerContact contact = contacts.GetValueOrDefault(relay);
            nodes.Add(new NetworkNode(
                relay,
                false,
                linked.Contains(relay),
                members.Contains(relay),
                linked.Contains(relay) ? nowMs : contact.LastSeenMs,
                contact.LastErrorMs,
                contact.Failures,
                _core.FindServer(relay, nowMs)));
        }

        return nodes;
    }

    /// <inheritdoc/>
    public void Publish(Ticket ticket)
    {
        if (DhtObject.TryFromTicket(ticket, out DhtObject? value))
        {
            Publish(value, _clock());
        }
    }

    /// <summary>The same for a ticket whose device is known already: no signature is checked.</summary>
    public void Publish(Address device, Ticket ticket)
    {
        Publish(DhtObject.FromTicket(ticket, device), _clock());
    }

    /// <summary>Puts an object of ours into the own table and gives it to its replicas, now or when the waiting time is over.</summary>
    public void Publish(DhtObject value, long nowMs)
    {
        _ = _core.Store.Put(value, _core.Self, nowMs);
        if (_published.Request(value.Key, TicketWaitMs, nowMs))
        {
            Write(value, nowMs);
        }

        if (_published.Request(_ownKey, OwnObjectWaitMs, nowMs))
        {
            WriteOwnObject(nowMs);
        }
    }

    /// <summary>A link has said hello: registers it, or closes it.</summary>
    public void OnReady(PeerSession session, long nowMs)
    {
        PeerSession? dropped = _core.Add(session, nowMs);
        EndDial(session.Peer);
        if (ReferenceEquals(dropped, session))
        {
            session.Close(session.Peer == _core.Self ? PeerCloseReason.Self : PeerCloseReason.Full);
            FinishWaiting(session.Peer, null);
            return;
        }

        _core.Counters.Link();
        dropped?.Close(PeerCloseReason.Replaced);
        HurryDiscovery(nowMs);
        FinishWaiting(session.Peer, session);
    }

    /// <summary>A link is down.</summary>
    public void OnDown(PeerSession session, long nowMs)
    {
        session.Close(PeerCloseReason.PeerLeft);
        _core.Remove(session, nowMs);
    }

    /// <summary>A relay could not be reached, or was another one.</summary>
    public void OnDialFailed(PeerTarget target, long nowMs)
    {
        EndDial(target.Relay);
        if (_core.FindLink(target.Relay) is { IsUsable: true } link)
        {
            // It reached us meanwhile.
            FinishWaiting(target.Relay, link);
            return;
        }

        _core.Counters.DialFailed();
        _core.MarkFailed(target.Relay, nowMs);
        FinishWaiting(target.Relay, null);
    }

    /// <summary>Everything that has its time. A few times a second; links are ticked by their owners.</summary>
    public void Tick(long nowMs)
    {
        _core.Store.Tick(nowMs);
        foreach (PeerSession second in _core.TakeSecondLinks(nowMs))
        {
            second.Close(PeerCloseReason.Replaced);
        }

        if (nowMs >= _nextOwnMs)
        {
            _nextOwnMs = nowMs + OwnObjectIntervalMs;
            WriteOwnObject(nowMs);
        }

        foreach (Hash256 key in _published.TakeDue(nowMs))
        {
            if (key == _ownKey)
            {
                WriteOwnObject(nowMs);
            }
            else if (_core.Store.TryGet(key, nowMs, out DhtObject? value))
            {
                Write(value, nowMs);
            }
        }

        TickContacts(nowMs);
        TickRedistribution(nowMs);
        TickWaiting(nowMs);
    }

    private static byte[] Encode(ServerObject server)
    {
        var writer = new RlpWriter();
        server.WriteRlp(writer);
        return writer.ToArray();
    }

    private static byte[] Encode(DhtObject value)
    {
        var writer = new RlpWriter();
        value.Ticket?.WriteObject(writer);
        value.Server?.WriteRlp(writer);
        value.Data?.WriteRlp(writer);
        return writer.ToArray();
    }

    private async ValueTask<byte[]?> FindEncodedAsync(Hash256 key, DhtObjectKind? kind, CancellationToken cancel)
    {
        var found = new TaskCompletionSource<DhtObject?>(TaskCreationOptions.RunContinuationsAsynchronously);
        Find(key, _clock(), value => found.TrySetResult(value));
        DhtObject? result = await found.Task.WaitAsync(cancel);
        return result is null || (kind is not null && result.Kind != kind) ? null : Encode(result);
    }

    private void WriteOwnObject(long nowMs)
    {
        DhtObject own = DhtObject.FromServer(_core.GetOwnObject(nowMs));
        _ = _core.Store.Put(own, _core.Self, nowMs);
        Write(own, nowMs);
    }
}
