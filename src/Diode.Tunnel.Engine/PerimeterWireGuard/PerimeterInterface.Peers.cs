using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Diode.Tunnel.Engine.Relays;
using Diode.Tunnel.Platform.Sockets;

namespace Diode.Tunnel.Engine.PerimeterWireGuard;

/// <content>Where peers are: ordinary endpoints by address or name, Diode devices at a port of their relay.</content>
internal sealed partial class PerimeterInterface
{
    // Name of a port where the contract says none: WireGuard's own.
    private const ushort UsualPort = 51820;

    private static readonly TimeSpan DiodeKeepalive = TimeSpan.FromSeconds(25);
    private static readonly TimeSpan OpenTimeout = TimeSpan.FromSeconds(10);
    private const long ResolveTicks = 30 * TimeSpan.TicksPerSecond;
    private const long NeedTicks = 10 * TimeSpan.TicksPerSecond;

    // Keys older than this count for nothing (WireGuard §6.1).
    private const long DeadTicks = 180 * TimeSpan.TicksPerSecond;

    /// <summary>A device wants to meet this one at a port of the relay. False: it is no peer of the interface.</summary>
    public bool TryAnswer(RelayConnection relay, RelayUdpRequest request)
    {
        if (_host is null || _peers.Find(p => p.Device == request.Source && p.Meeting is not null) is not { } peer)
        {
            return false;
        }

        if (relay.AnswerUdpPort(request, accept: true) is { } place)
        {
            Meet(peer, relay, place, isInbound: true);
        }

        return true;
    }

    /// <summary>A session with a relay is over.</summary>
    public void RelayClosed(RelayConnection relay)
    {
        foreach (PeerEntry peer in _peers)
        {
            if (peer.Meeting?.RelayClosed(relay, clock.Now) == true && peer.Meeting.Current is { } other && _host is { } host)
            {
                Go(host, peer, other);
            }
        }
    }

    private void TickPeer(PerimeterWireGuardHost host, PeerEntry peer, long now)
    {
        if (host.Core.FactsOf(peer.Key) is not { } facts)
        {
            return;
        }

        if (peer.Meeting is { } meeting)
        {
            TickMeeting(peer, meeting, facts, now);
        }
        else if (peer.Spec.Host is not null && now >= peer.NextResolve
            && (peer.Place is null || facts.LastHandshake is null || now - facts.LastHandshake > DeadTicks))
        {
            peer.NextResolve = now + ResolveTicks;
            Resolve(peer);
        }
    }

    private void TickMeeting(PeerEntry peer, RelayMeeting meeting, PeerFacts facts, long now)
    {
        if (facts.RxBytes > peer.Heard)
        {
            peer.Heard = facts.RxBytes;
            peer.Problem = null;
            Close(meeting.Heard(facts.Endpoint, now));
        }

        // What went through the port is charged to this device, so tickets must cover it.
        long total = facts.RxBytes + facts.TxBytes;
        if (meeting.Current?.Relay is RelayConnection relay)
        {
            if (total > peer.Charged)
            {
                relay.CountUdpBytes(total - peer.Charged);
            }

            if (now >= peer.NextNeed)
            {
                peer.NextNeed = now + NeedTicks;
                owner.NeedRelay(relay);
            }
        }

        peer.Charged = Math.Max(total, peer.Charged);
        if (peer.Opening is null or { IsCompleted: true } && meeting.TakeAttempt(now))
        {
            peer.Opening = OpenAsync(peer);
        }
    }

    private async Task OpenAsync(PeerEntry peer)
    {
        using var limit = new CancellationTokenSource(OpenTimeout, time);
        string reason = "no relay is connected";
        try
        {
            foreach (RelayConnection relay in await owner.FindRelaysAsync(peer.Device!.Value, limit.Token).ConfigureAwait(false))
            {
                var asked = new TaskCompletionSource<(IPEndPoint? Place, string Reason)>(TaskCreationOptions.RunContinuationsAsynchronously);
                string name = (peer.Spec.Port == 0 ? UsualPort : peer.Spec.Port).ToString(CultureInfo.InvariantCulture);
                if (!relay.OpenUdpPort(peer.Device.Value, name, (place, why) => asked.TrySetResult((place, why))))
                {
                    continue;
                }

                (IPEndPoint? place, reason) = await asked.Task.WaitAsync(limit.Token).ConfigureAwait(false);
                if (place is not null)
                {
                    owner.Post(() => Meet(peer, relay, place, isInbound: false));
                    return;
                }
            }
        }
        catch (Exception e) when (e is OperationCanceledException or TunnelException)
        {
            reason = "the relays do not answer";
        }

        owner.Post(() => peer.Problem = $"no relay meets it: {reason}");
    }

    private void Meet(PeerEntry asked, RelayConnection relay, IPEndPoint place, bool isInbound)
    {
        // Between question and answer the peer may have been changed, or the interface taken down.
        if (_host is not { } host || _peers.Find(p => p.Meeting is not null && p.Meeting == asked.Meeting) is not { Meeting: { } meeting } peer
            || !EndpointAddress.TryFrom(place, out EndpointAddress endpoint))
        {
            relay.CloseUdpPort((ushort)place.Port);
            return;
        }

        peer.Problem = null;
        var port = new MeetingPort(relay, endpoint);
        if (isInbound ? meeting.Inbound(port, clock.Now) : meeting.Outbound(port, clock.Now))
        {
            Go(host, peer, meeting.Current!);
            Log.PerimeterPeerMet(logger, peer.Name, meeting.Current!.Endpoint.ToString());
        }
    }

    // The port knows its two ends by what they send; a handshake that was begun just now is repeated after five seconds only. A datagram that is
    // no message of WireGuard's is ignored at the other end.
    private static void Go(PerimeterWireGuardHost host, PeerEntry peer, MeetingPort port)
    {
        host.SendDatagrams(port.Endpoint, [0], 0);
        host.Core.SetEndpoint(peer.Key, port.Endpoint);
    }

    private static void Close(MeetingPort? port)
    {
        if (port is { Relay: RelayConnection relay })
        {
            relay.CloseUdpPort((ushort)port.Endpoint.Port);
        }
    }

    private static void Forget(PeerEntry peer) => Close(peer.Meeting?.Current);

    private void Resolve(PeerEntry peer)
    {
        string host = peer.Spec.Host!;
        if (IPAddress.TryParse(host, out IPAddress? literal))
        {
            TakeAddresses(peer, [literal]);
            return;
        }

        // Nobody waits for it: what comes in late, or not at all, is asked for again.
        _ = ResolveAsync(peer, host);
    }

    private async Task ResolveAsync(PeerEntry peer, string host)
    {
        IPAddress[] addresses = [];
        try
        {
            using var limit = new CancellationTokenSource(OpenTimeout, time);
            addresses = await Dns.GetHostAddressesAsync(host, limit.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or ArgumentException)
        {
            // Said below: no address.
        }

        owner.Post(() => TakeAddresses(peer, addresses));
    }

    private void TakeAddresses(PeerEntry asked, IPAddress[] addresses)
    {
        if (_host is not { } host || _peers.Find(p => p.Key == asked.Key && p.Spec.Host == asked.Spec.Host && p.Spec.Port == asked.Spec.Port) is not { } peer)
        {
            return;
        }

        IPAddress? address = addresses.FirstOrDefault(a => RoutePlan.RefusalOfEndpoint(a, owner.MeshRanges) is null);
        if (address is null)
        {
            peer.Problem = addresses.Length == 0
                ? $"{peer.Spec.Host} can't be looked up"
                : $"its endpoint is not used: {RoutePlan.RefusalOfEndpoint(addresses[0], owner.MeshRanges)}";
            return;
        }

        peer.Problem = null;
        var place = new IPEndPoint(address, peer.Spec.Port);
        if (!place.Equals(peer.Place) && EndpointAddress.TryFrom(place, out EndpointAddress endpoint))
        {
            // First the routes: none may lead to the endpoint itself.
            peer.Place = place;
            Plan();
            host.Core.SetEndpoint(peer.Key, endpoint);
        }
    }
}
