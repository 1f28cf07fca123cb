using Diode.Tunnel.Engine.ControlChannel;
using Diode.Tunnel.Engine.Relays;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.Peers;

/// <content>Ports that other devices open, and the control channel's events.</content>
internal sealed partial class PeerMesh
{
    private const int MaxKnocks = 64;
    private readonly List<Address> _knocks = [];

    /// <summary>Devices that were refused for being in no fleet known here, as relays say; the newest last.</summary>
    public IReadOnlyList<Address> Knocks => _knocks;

    /// <summary>
    /// Answers a port request. Only fleet devices get in. The source is still the relay's claim: the tunnel port proves itself by the
    /// WireGuard key, the control port by the certificate.
    /// </summary>
    public void HandlePortRequest(RelayConnection relay, RelayPortRequest request)
    {
        RelayPortUse? use = request.Name switch
        {
            RelayConnection.TunnelPortName => RelayPortUse.Tunnel,
            RelayConnection.ControlPortName => RelayPortUse.Control,
            _ => null,
        };
        if (use is null)
        {
            relay.Reject(request, "port was not published");
            return;
        }

        if (!_peers.TryGetValue(request.Source, out TunnelPeer? peer))
        {
            // The wording of plain Diode clients (diode-edge §3.6).
            relay.Reject(request, $"device {request.Source} is not in the allow list");
            Log.PortRefused(logger, request.Source.ToString(), request.Name);
            NoteKnock(request.Source);
            return;
        }

        PortSlot slot = use == RelayPortUse.Tunnel ? peer.Tunnel : peer.Control;

        // A request that nobody answers does not count: the peer may have moved, and the relay still ask where it was.
        bool mineIsNew = (slot.Attempt is { } attempt && time.GetElapsedTime(attempt.Asked) < Simultaneous)
            || ((slot.Candidate ?? slot.Port) is { Opener: true } && Age(slot) < Simultaneous);
        if (mineIsNew && self < peer.Device)
        {
            relay.Reject(request, "already opening");
            return;
        }

        if (relay.Accept(request, use.Value) is { } port)
        {
            Install(peer, slot, port);
            if (peer.TunnelKey is null)
            {
                Lookup(peer, time.GetTimestamp());
            }
        }
    }

    private void NoteKnock(Address device)
    {
        _knocks.Remove(device);
        if (_knocks.Count == MaxKnocks)
        {
            _knocks.RemoveAt(0);
        }

        _knocks.Add(device);
    }

    /// <summary>Gives the bytes of a control port to its channel.</summary>
    public static void HandleControlData(RelayPort port, byte[] data)
    {
        if (port.Owner is TunnelPeer peer)
        {
            LinkOf(peer, port)?.Receive(data);
        }
    }

    /// <summary>A port has been closed by the far end or with its session.</summary>
    public void HandlePortClosed(RelayPort port)
    {
        if (port.Owner is not TunnelPeer peer)
        {
            return;
        }

        PortSlot slot = port.Use == RelayPortUse.Tunnel ? peer.Tunnel : peer.Control;
        if (ReferenceEquals(slot.Candidate, port))
        {
            slot.Candidate = null;
        }

        if (ReferenceEquals(slot.Port, port))
        {
            slot.NextAttempt = time.GetTimestamp() + Ticks(TimeSpan.FromMilliseconds(self > peer.Device ? 700 : 100));
            CloseSlot(peer, slot);
        }

        LinkOf(peer, port)?.Close("the relay port was closed");
    }

    void IControlLinkEvents.OnLinkOpen(ControlLink link)
    {
        link.LastHeard = time.GetTimestamp();
        if (_peers.TryGetValue(link.Peer, out TunnelPeer? peer) && ReferenceEquals(peer.CandidateLink, link))
        {
            ControlLink? older = peer.Link;
            peer.CandidateLink = null;
            peer.Link = link;
            if (ReferenceEquals(peer.Control.Candidate, link.Port))
            {
                Promote(peer, peer.Control);
            }

            Log.LinkOpen(logger, peer.Device.ToString(), link.Port.Opener ? "here" : "there");
            older?.Close("replaced by a newer channel");
            link.Send(events.MakeHello(peer));
        }
    }

    void IControlLinkEvents.OnLinkMessage(ControlLink link, ControlMessage message)
    {
        link.LastHeard = time.GetTimestamp();
        if (!_peers.TryGetValue(link.Peer, out TunnelPeer? peer) || !ReferenceEquals(peer.Link, link))
        {
            return;
        }

        switch (message.Type)
        {
            case ControlMessage.Hello:
                peer.Hello = message;
                TakeKeyFromHello(peer, message);
                events.OnPeerHello(peer, message);
                break;
            case ControlMessage.Ping:
                link.Send(new ControlMessage { Type = ControlMessage.Pong, Number = message.Number });
                break;
            case ControlMessage.Pong:
                if (message.Number is long sent && sent <= link.LastHeard)
                {
                    peer.RoundTrip = time.GetElapsedTime(sent, link.LastHeard);
                }

                break;
            case ControlMessage.Goodbye:
                link.Close(GoodbyeReason + message.Reason);
                break;
            default:
                events.OnPeerMessage(peer, message);
                break;
        }
    }

    void IControlLinkEvents.OnLinkClosed(ControlLink link, string reason)
    {
        link.Port.Close();
        if (_peers.TryGetValue(link.Peer, out TunnelPeer? peer))
        {
            Forget(peer, link);
            if (ReferenceEquals(peer.Link, link))
            {
                peer.Link = null;
                peer.LastAlive = link.LastHeard;
                peer.HasLeft = link.Port is RelayPort { Relay.IsReady: true };
                peer.RoundTrip = null;
                Log.LinkClosed(logger, peer.Device.ToString(), reason);
                events.OnPeerLost(peer, reason);
            }
            else if (ReferenceEquals(peer.CandidateLink, link))
            {
                peer.CandidateLink = null;
                Log.LinkClosed(logger, peer.Device.ToString(), reason);
            }
        }

        link.Dispose();
    }

    /// <summary>The port of a channel that is over is no longer the peer's control port.</summary>
    private void Forget(TunnelPeer peer, ControlLink link)
    {
        PortSlot slot = peer.Control;
        if (ReferenceEquals(slot.Candidate, link.Port))
        {
            slot.Candidate = null;
        }

        if (ReferenceEquals(slot.Port, link.Port))
        {
            slot.NextAttempt = time.GetTimestamp() + Ticks(OpenRetry);
            CloseSlot(peer, slot);
        }
    }

    private static ControlLink? LinkOf(TunnelPeer peer, RelayPort port)
    {
        return ReferenceEquals(peer.Link?.Port, port) ? peer.Link
            : ReferenceEquals(peer.CandidateLink?.Port, port) ? peer.CandidateLink
            : null;
    }
}
