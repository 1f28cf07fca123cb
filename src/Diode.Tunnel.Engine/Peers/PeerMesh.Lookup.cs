using Diode.Tunnel.Engine.ControlChannel;
using Diode.Tunnel.Engine.Relays;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.Peers;

/// <content>
/// From a device address to its tunnel key and its relays, by the ticket (design §4 "Binding"): the device signs its ticket, and the
/// ticket's metadata carries the key and where it is to be met. A relay can withhold that but not forge it. All connected relays are
/// asked at once; the newest ticket counts, so one that still shows an old one does no harm.
/// </content>
internal sealed partial class PeerMesh
{
    private const int KeyBytes = 32;

    /// <summary>Longer than any answer takes: what is out by then got lost.</summary>
    private static readonly TimeSpan LookupTimeout = TimeSpan.FromSeconds(45);

    private void Lookup(TunnelPeer peer, long now)
    {
        bool lost = peer.LookingUp > 0 && time.GetElapsedTime(peer.LookupStarted, now) > LookupTimeout;
        if ((peer.LookingUp > 0 && !lost) || now < peer.NextLookup)
        {
            return;
        }

        peer.LookingUp = 0;
        peer.LookupStarted = now;
        peer.SawPlainTicket = false;
        string problem = "no relay is connected";
        foreach (RelayConnection relay in relays.Ready.ToArray())
        {
            peer.LookingUp++;
            if (!relay.GetObject(peer.Device, reply => loop.TryPost(() => LookedUp(peer, reply))))
            {
                peer.LookingUp--;
                problem = "the relay is busy";
            }
        }

        peer.NextLookup = now + Ticks(peer.Backoff.Next());
        if (peer.LookingUp == 0 && peer.Path is null)
        {
            peer.PathReason = problem;
        }
    }

    private void LookedUp(TunnelPeer peer, RelayReply reply)
    {
        peer.LookingUp = Math.Max(peer.LookingUp - 1, 0);
        if (!PeerTicket.TryRead(peer.Device, reply, out PeerTicket? ticket, out string problem))
        {
            MarkPlain(peer);
            if (peer.LookingUp == 0 && peer.Path is null && peer.Relays.Count == 0)
            {
                peer.PathReason = problem;
            }

            return;
        }

        if (ticket.Created >= peer.RelaysTime)
        {
            TakeRelays(peer, ticket);
        }

        if (ticket.TunnelKey is { } key)
        {
            SetKey(peer, key, ticket.Created);
        }
        else
        {
            peer.SawPlainTicket = true;
            if (peer.Path is null)
            {
                peer.PathReason = "a plain Diode device: it has no tunnel key";
            }

            MarkPlain(peer);
        }
    }

    /// <summary>
    /// A relay may hold an older ticket than another: only when all were asked and none had a tunnel key the device is plain. A key that
    /// was seen once stays.
    /// </summary>
    private void MarkPlain(TunnelPeer peer)
    {
        if (peer.LookingUp > 0)
        {
            return;
        }

        peer.IsPlainOnline = peer.SawPlainTicket;
        if (peer.SawPlainTicket && !peer.IsPlain && peer.TunnelKey is null)
        {
            peer.IsPlain = true;
            events.OnPeerPlain(peer);
        }
    }

    /// <summary>The connected relays in the order to try a device at; null: it is no member.</summary>
    public IReadOnlyList<RelayConnection>? CandidatesFor(Address device)
    {
        return _peers.TryGetValue(device, out TunnelPeer? peer) ? Candidates(peer) : null;
    }

    /// <summary>A peer that names other relays than before has moved: it is tried there at once.</summary>
    private void TakeRelays(TunnelPeer peer, PeerTicket ticket)
    {
        bool moved = !peer.Relays.SequenceEqual(ticket.Relays);
        peer.Relays = ticket.Relays;
        peer.RelaysTime = ticket.Created;
        if (moved && peer.TunnelKey is not null)
        {
            Advance(peer, time.GetTimestamp());
        }
    }

    /// <summary>The connected relays in the order to try them; the missing ones of the peer's ticket are being connected to.</summary>
    private List<RelayConnection> Candidates(TunnelPeer peer)
    {
        foreach (Address relay in peer.Relays)
        {
            relays.Need(relay);
        }

        return RelayOrder.Arrange(relays.Ready, static r => r.Uri.Address, peer.Relays, peer.LastRelay);
    }

    /// <summary>Why no connected relay has the peer, for people.</summary>
    private string Explain(TunnelPeer peer, string reason)
    {
        foreach (Address relay in peer.Relays)
        {
            if (relays.WhyNot(relay) is { } problem)
            {
                return $"its relay {relay} cannot be reached: {problem}";
            }
        }

        return reason.Length == 0 ? "no relay is connected" : $"offline: {reason}";
    }

    private void TakeKeyFromHello(TunnelPeer peer, ControlMessage hello)
    {
        if (hello.TunnelKey is { Length: KeyBytes * 2 } text && text.All(char.IsAsciiHexDigit))
        {
            SetKey(peer, Convert.FromHexString(text), peer.TunnelKeyTime);
        }
    }

    private void SetKey(TunnelPeer peer, byte[] key, ulong created)
    {
        if (peer.TunnelKey is not null && (created < peer.TunnelKeyTime || key.AsSpan().SequenceEqual(peer.TunnelKey)))
        {
            peer.TunnelKeyTime = Math.Max(peer.TunnelKeyTime, created);
            return;
        }

        peer.TunnelKey = key;
        peer.TunnelKeyTime = created;
        events.OnPeerKey(peer);
        Advance(peer, time.GetTimestamp());
    }
}
