using Diode.Tunnel.Engine.ControlChannel;
using Diode.Tunnel.Engine.Relays;

namespace Diode.Tunnel.Engine.Peers;

/// <content>Ports that other devices open, and the control channel's events.</content>
internal sealed partial class PeerMesh
{
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
            return;
        }

        PortSlot slot = use == RelayPortUse.Tunnel ? peer.Tunnel : peer.Control;
        bool mineIsNew = slot.Opening || (slot.Port is { Opener: true } && Age(slot) < Simultaneous);
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

    /// <summary>Gives the bytes of a control port to its channel.</summary>
    public static void HandleControlData(RelayPort port, byte[] data)
    {
        if (port.Owner is TunnelPeer { Link: { } link } && ReferenceEquals(link.Port, port))
        {
            link.Receive(data);
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
        if (ReferenceEquals(slot.Port, port))
        {
            slot.Port = null;
            slot.NextAttempt = time.GetTimestamp() + Ticks(TimeSpan.FromMilliseconds(self > peer.Device ? 700 : 100));
            if (port.Use == RelayPortUse.Tunnel)
            {
                SetPath(peer, null, "the relay port was closed");
            }
        }

        if (port.Use == RelayPortUse.Control && peer.Link is { } link && ReferenceEquals(link.Port, port))
        {
            link.Close("the relay port was closed");
        }
    }

    void IControlLinkEvents.OnLinkOpen(ControlLink link)
    {
        link.LastHeard = time.GetTimestamp();
        link.Send(events.MakeHello());
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
                link.Close($"the peer said goodbye: {message.Reason}");
                break;
            default:
                events.OnPeerMessage(peer, message);
                break;
        }
    }

    void IControlLinkEvents.OnLinkClosed(ControlLink link, string reason)
    {
        link.Port.Relay.ClosePort(link.Port);
        if (_peers.TryGetValue(link.Peer, out TunnelPeer? peer) && ReferenceEquals(peer.Link, link))
        {
            peer.Link = null;
            peer.RoundTrip = null;
            if (ReferenceEquals(peer.Control.Port, link.Port))
            {
                peer.Control.Port = null;
                peer.Control.NextAttempt = time.GetTimestamp() + Ticks(OpenRetry);
            }

            Log.LinkClosed(logger, peer.Device.ToString(), reason);
            events.OnPeerLost(peer, reason);
        }

        link.Dispose();
    }
}
