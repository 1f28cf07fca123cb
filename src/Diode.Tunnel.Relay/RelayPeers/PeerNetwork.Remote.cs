using Diode.Tunnel.Edge.Bert;
using Diode.Tunnel.Edge.Objects;
using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Relay.Sessions;

namespace Diode.Tunnel.Relay.RelayPeers;

/// <content>Ports and messages for devices of other relays.</content>
internal sealed partial class PeerNetwork
{
    // Ours: messages and ports whose way is being looked for.
    private const int MaxSearches = 512;

    // Ours: relays that are tried for one device.
    private const int MaxRelays = 3;
    private const int LinkTimeoutMs = 8000;

    // Ours: dials that devices may cause to relays that are not on the ring.
    private const int DialBurst = 16;
    private const int DialsPerSecond = 2;

    private readonly Dictionary<Address, List<(Action<PeerSession?> Done, long UntilMs)>> _waiting = [];
    private TokenBucket _strangerDials = new(DialBurst, DialsPerSecond);
    private int _searches;

    /// <inheritdoc/>
    public bool TryForwardMessage(Address device, ReadOnlySpan<byte> payload, ReadOnlySpan<byte> metadata)
    {
        if (!PeerCalls.TryMakeMessage(device, payload, metadata, out BertTerm? message) || !TryBeginSearch())
        {
            return false;
        }

        FindRelays(device, relays => ForwardMessage(relays, 0, message));
        return true;
    }

    /// <inheritdoc/>
    public void OpenRemotePort(Address device, Address opener, ReadOnlySpan<byte> name, IRemotePortEnd end)
    {
        byte[] copy = name.ToArray();
        bool begun = TryBeginSearch();

        // Never from inside the call: the caller may hold locks.
        ThreadPool.UnsafeQueueUserWorkItem(
            _ =>
            {
                if (!begun)
                {
                    end.OnFailed("too many open ports"u8);
                    return;
                }

                FindRelays(device, relays => OpenPort(relays, 0, device, opener, copy, end));
            },
            null);
    }

    private bool TryBeginSearch()
    {
        if (Interlocked.Increment(ref _searches) <= MaxSearches)
        {
            return true;
        }

        Interlocked.Decrement(ref _searches);
        return false;
    }

    private void EndSearch()
    {
        Interlocked.Decrement(ref _searches);
    }

    private void ForwardMessage(Address[] relays, int at, BertTerm message)
    {
        if (at >= relays.Length)
        {
            EndSearch();
            return;
        }

        WithOurs(relays[at], link =>
        {
            if (link is null
                || !link.Calls.TryCall(PeerCalls.ForwardMessage, message, _clock(), Delivered))
            {
                ForwardMessage(relays, at + 1, message);
            }
        });

        void Delivered(bool isDelivered)
        {
            if (isDelivered)
            {
                _core.Counters.MessageForwarded();
                EndSearch();
            }
            else
            {
                ForwardMessage(relays, at + 1, message);
            }
        }
    }

    private void OpenPort(Address[] relays, int at, Address device, Address opener, byte[] name, IRemotePortEnd end)
    {
        if (at >= relays.Length)
        {
            EndSearch();
            end.OnFailed("not found"u8);
            return;
        }

        WithOurs(relays[at], link =>
        {
            if (link is not null && link.TryOpenPort(device, opener, name, end, _clock()))
            {
                EndSearch();
            }
            else
            {
                OpenPort(relays, at + 1, device, opener, name, end);
            }
        });
    }

    // The relays a device's ticket names: the one it is for first, since only that one is certain to know the device.
    private void FindRelays(Address device, Action<Address[]> done)
    {
        Find(ObjectKeys.ToDhtKey(device), _clock(), value =>
        {
            Ticket? ticket = value?.Ticket;
            done(ticket is null
                ? []
                : [.. ticket.ReadLocalAddress().PreferredRelays(ticket.Server)
                    .Prepend(ticket.Server)
                    .Distinct()
                    .Where(relay => relay != _core.Self)
                    .Take(MaxRelays)]);
        });
    }

    // A link to a relay that carries ports and messages; null when there is none or it does not.
    private void WithOurs(Address relay, Action<PeerSession?> done)
    {
        WithLink(relay, link =>
        {
            if (link is null)
            {
                done(null);
            }
            else
            {
                link.Calls.AskAbilities(_clock(), isOurs => done(isOurs ? link : null));
            }
        });
    }

    private void WithLink(Address relay, Action<PeerSession?> done)
    {
        long nowMs = _clock();
        if (_core.FindLink(relay) is { IsUsable: true } link)
        {
            done(link);
            return;
        }

        Find(ObjectKeys.ToDhtKey(relay), nowMs, value => DialAndWait(relay, value?.Server, done));
    }

    private void DialAndWait(Address relay, ServerObject? server, Action<PeerSession?> done)
    {
        long nowMs = _clock();
        bool mayDial = server is { PeerPort: > 0 } && nowMs >= _core.GetContact(relay).NextRetryMs;
        bool isMember = _core.IsMember(relay);
        lock (_gate)
        {
            mayDial = mayDial && (_dialling.ContainsKey(relay) || isMember || _strangerDials.TryTake(nowMs));
            if (mayDial)
            {
                if (!_waiting.TryGetValue(relay, out List<(Action<PeerSession?> Done, long UntilMs)>? others))
                {
                    _waiting[relay] = others = [];
                }

                others.Add((done, nowMs + LinkTimeoutMs));
            }
        }

        if (!mayDial)
        {
            done(null);
            return;
        }

        _ = TryDial(new PeerTarget(relay, server!.Host, server.PeerPort), nowMs);
        if (_core.FindLink(relay) is { IsUsable: true } link)
        {
            // It came up meanwhile.
            FinishWaiting(relay, link);
        }
    }

    private void FinishWaiting(Address relay, PeerSession? link)
    {
        List<(Action<PeerSession?> Done, long UntilMs)>? waiting;
        lock (_gate)
        {
            _ = _waiting.Remove(relay, out waiting);
        }

        waiting?.ForEach(entry => entry.Done(link));
    }

    private void TickWaiting(long nowMs)
    {
        List<Action<PeerSession?>>? late = null;
        lock (_gate)
        {
            foreach ((Address relay, List<(Action<PeerSession?> Done, long UntilMs)> entries) in _waiting)
            {
                late ??= [];
                late.AddRange(entries.Where(entry => nowMs >= entry.UntilMs).Select(entry => entry.Done));
                entries.RemoveAll(entry => nowMs >= entry.UntilMs);
                if (entries.Count == 0)
                {
                    _waiting.Remove(relay);
                }
            }
        }

        late?.ForEach(done => done(null));
    }
}
