using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Engine.ControlChannel;
using Diode.Tunnel.Engine.Relays;

namespace Diode.Tunnel.Engine.Peers;

/// <content>
/// From a device address to its tunnel key, by the ticket (design §4 "Binding"): the device signs its ticket, and the ticket's metadata
/// carries the key, so a relay can withhold it but not forge it.
/// </content>
internal sealed partial class PeerMesh
{
    private const int KeyBytes = 32;

    private void Lookup(TunnelPeer peer, long now)
    {
        if (peer.LookingUp || now < peer.NextLookup)
        {
            return;
        }

        Lookup(peer, relays.Ready.GetEnumerator(), "no relay is connected");
    }

    private void Lookup(TunnelPeer peer, IEnumerator<RelayConnection> candidates, string reason)
    {
        peer.LookingUp = true;
        bool asked = candidates.MoveNext() && candidates.Current.GetObject(
            peer.Device, reply => loop.TryPost(() => LookedUp(peer, candidates, reply)));
        if (!asked)
        {
            peer.LookingUp = false;
            peer.NextLookup = time.GetTimestamp() + Ticks(peer.Backoff.Next());
            if (peer.Path is null)
            {
                peer.PathReason = reason;
            }
        }
    }

    private void LookedUp(TunnelPeer peer, IEnumerator<RelayConnection> candidates, RelayReply reply)
    {
        if (!TryReadKey(peer, reply, out byte[] key, out ulong created, out string problem))
        {
            Lookup(peer, candidates, problem);
            return;
        }

        peer.LookingUp = false;
        peer.NextLookup = time.GetTimestamp() + Ticks(peer.Backoff.Next());
        SetKey(peer, key, created);
    }

    private static bool TryReadKey(TunnelPeer peer, RelayReply reply, out byte[] key, out ulong created, out string problem)
    {
        key = [];
        created = 0;
        if (reply.Error is not null)
        {
            problem = $"the relay answered: {reply.Error}";
            return false;
        }

        if (reply.Ticket is not TicketV2 ticket)
        {
            problem = "offline: no relay knows the device";
            return false;
        }

        if (!ticket.TryRecoverDevice(out Ethereum.Address signer) || signer != peer.Device)
        {
            problem = "a relay gave a ticket that the device has not signed";
            return false;
        }

        LocalAddress metadata = ticket.ReadLocalAddress();
        if (!metadata.HasTunnelKey)
        {
            problem = "a plain Diode device: it has no tunnel key";
            return false;
        }

        key = metadata.TunnelKey.ToArray();
        created = metadata.Timestamp ?? 0;
        problem = "";
        return true;
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
            return;
        }

        peer.TunnelKey = key;
        peer.TunnelKeyTime = created;
        events.OnPeerKey(peer);
        Advance(peer, time.GetTimestamp());
    }
}
