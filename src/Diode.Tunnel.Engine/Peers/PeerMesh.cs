using Diode.Tunnel.Engine.ControlChannel;
using Diode.Tunnel.Engine.Relays;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Platform.Tls;
using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.Engine.Peers;

/// <summary>
/// Finds, connects and watches the devices of the fleets: looks up their tickets at the relays, opens the tunnel port and the control
/// channel, notices when they go. Knows nothing of packets, exits and manifests. Engine loop only.
/// </summary>
internal sealed partial class PeerMesh(
    Address self,
    TlsIdentity identity,
    RelayPool relays,
    EngineLoop loop,
    IPeerMeshEvents events,
    ILogger logger,
    TimeProvider time) : IControlLinkEvents
{
    /// <summary>How the reason begins when a peer has ended the channel on purpose.</summary>
    public const string GoodbyeReason = "the peer said goodbye: ";

    private static readonly TimeSpan PingInterval = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan LinkTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan OpenRetry = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan EarlyRetry = TimeSpan.FromMilliseconds(300);
    private const int EarlyRetries = 3;

    /// <summary>The device with the higher address leaves the opening to the other for this long, so that ports are not opened twice.</summary>
    private static readonly TimeSpan HigherWaits = TimeSpan.FromSeconds(4);

    /// <summary>Two opens within this time are taken as simultaneous.</summary>
    private static readonly TimeSpan Simultaneous = TimeSpan.FromSeconds(3);

    /// <summary>A relay that has not answered for this long is taken for one that does not have the peer. Theirs is 35 s.</summary>
    private static readonly TimeSpan OpenPatience = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan WantInterval = TimeSpan.FromMilliseconds(100);

    private readonly Dictionary<Address, TunnelPeer> _peers = [];
    private int _lastId;

    /// <summary>All devices of the fleets but this one.</summary>
    public IReadOnlyDictionary<Address, TunnelPeer> Peers => _peers;

    /// <summary>Adds a device; the existing one is returned if it is there.</summary>
    public TunnelPeer Add(Address device)
    {
        if (!_peers.TryGetValue(device, out TunnelPeer? peer))
        {
            peer = new TunnelPeer(device, ++_lastId);
            _peers.Add(device, peer);
        }

        return peer;
    }

    /// <summary>Removes a device: its ports and its control channel are closed at once.</summary>
    public void Remove(TunnelPeer peer, string reason)
    {
        if (_peers.Remove(peer.Device))
        {
            Disconnect(peer, reason);
        }
    }

    /// <summary>Closes everything with every peer.</summary>
    public void Stop(string reason)
    {
        foreach (TunnelPeer peer in _peers.Values)
        {
            Disconnect(peer, reason);
        }
    }

    /// <summary>Sends a message to a peer whose channel is open. False: it is not.</summary>
    public static bool Send(TunnelPeer peer, ControlMessage message)
    {
        if (peer.Link is not { IsOpen: true } link)
        {
            return false;
        }

        link.Send(message);
        return true;
    }

    /// <summary>Tells every peer whose channel is open what has changed here.</summary>
    public void SendHello()
    {
        foreach (TunnelPeer peer in _peers.Values)
        {
            Send(peer, events.MakeHello(peer));
        }
    }

    /// <summary>A relay has become usable: who was waited for is tried at once.</summary>
    public void RelayReady()
    {
        foreach (TunnelPeer peer in _peers.Values)
        {
            peer.NextLookup = 0;
            peer.Backoff.Reset();
        }

        Tick();
    }

    /// <summary>Does what is due for every peer.</summary>
    public void Tick()
    {
        long now = time.GetTimestamp();
        foreach (TunnelPeer peer in _peers.Values)
        {
            Advance(peer, now);
        }
    }

    /// <summary>Traffic waits for this peer: whatever was put off is done now, but not more often than <see cref="WantInterval"/>.</summary>
    public void Want(TunnelPeer peer)
    {
        long now = time.GetTimestamp();
        if (!_peers.ContainsKey(peer.Device) || (peer.LastWanted != 0 && time.GetElapsedTime(peer.LastWanted, now) < WantInterval))
        {
            return;
        }

        peer.LastWanted = now;
        peer.NextLookup = Math.Min(peer.NextLookup, now);
        peer.Tunnel.NextAttempt = Math.Min(peer.Tunnel.NextAttempt, now);
        peer.Control.NextAttempt = Math.Min(peer.Control.NextAttempt, now);
        Advance(peer, now);
    }

    private void Advance(TunnelPeer peer, long now)
    {
        WatchLink(peer, now);
        PromoteProven(peer);

        if (peer.TunnelKey is null || (peer.Path is null && peer.Link is null))
        {
            Lookup(peer, now);
        }

        if (peer.TunnelKey is not null)
        {
            OpenIfDue(peer, peer.Tunnel, now);
            OpenIfDue(peer, peer.Control, now);
        }
    }

    /// <summary>The peer's key has been seen on the candidate: it takes the place of the older port.</summary>
    private void PromoteProven(TunnelPeer peer)
    {
        if (peer.Tunnel.Candidate is { } candidate && ReferenceEquals(peer.Session?.Endpoint, candidate.Path))
        {
            Promote(peer, peer.Tunnel);
        }

        if (peer.Path is { IsOpen: false })
        {
            SetPath(peer, null, "the path closed");
        }
    }

    private void WatchLink(TunnelPeer peer, long now)
    {
        if (peer.Link is not { } link)
        {
            return;
        }

        if (time.GetElapsedTime(link.LastHeard, now) > LinkTimeout)
        {
            link.Close($"nothing heard for {LinkTimeout.TotalSeconds:0} s");
            CloseSlot(peer, peer.Tunnel);
            if (peer.Path is null)
            {
                peer.PathReason = "the peer has stopped answering";
            }
        }
        else if (link.IsOpen && now >= peer.NextPing)
        {
            peer.NextPing = now + Ticks(PingInterval);
            link.Send(new ControlMessage { Type = ControlMessage.Ping, Number = now });
        }
    }

    private void OpenIfDue(TunnelPeer peer, PortSlot slot, long now)
    {
        if (slot.Attempt is { } attempt)
        {
            if (time.GetElapsedTime(attempt.Asked, now) > OpenPatience)
            {
                Open(peer, slot, attempt.Candidates, "the relay does not answer");
            }

            return;
        }

        if (slot.Port is not null || now < slot.NextAttempt)
        {
            return;
        }

        if (self > peer.Device && peer.LastWanted == 0 && slot.NextAttempt == 0)
        {
            slot.NextAttempt = now + Ticks(HigherWaits);
            return;
        }

        Open(peer, slot, ((IEnumerable<RelayConnection>)Candidates(peer)).GetEnumerator(), "");
    }

    /// <summary>Tries one relay after the other until one has the device, or a port is there that the device has opened.</summary>
    private void Open(TunnelPeer peer, PortSlot slot, IEnumerator<RelayConnection> candidates, string lastReason)
    {
        if (slot.Port is not null)
        {
            slot.Attempt = null;
            return;
        }

        OpenAttempt attempt = new(candidates, time.GetTimestamp());
        slot.Attempt = attempt;
        bool asked = candidates.MoveNext() && candidates.Current.OpenPort(
            peer.Device,
            slot.Use,
            (port, reason) => loop.TryPost(() => Opened(peer, slot, attempt, port, reason)));
        if (!asked)
        {
            slot.Attempt = null;
            slot.NextAttempt = time.GetTimestamp() + Ticks(RetryDelay(peer, lastReason));
            if (slot.Use == RelayPortUse.Tunnel && peer.Path is null)
            {
                peer.PathReason = Explain(peer, lastReason);
            }
        }
    }

    /// <summary>A relay may not find a device for a moment after it connected (diode-observed "Sessions").</summary>
    private static TimeSpan RetryDelay(TunnelPeer peer, string reason)
    {
        bool early = reason == Edge.EdgeErrors.NotFound && peer.Relays.Count > 0 && ++peer.NotFound <= EarlyRetries;
        return early ? EarlyRetry : OpenRetry;
    }

    private void Opened(
        TunnelPeer peer, PortSlot slot, OpenAttempt attempt, RelayPort? port, string reason)
    {
        bool isLate = !ReferenceEquals(slot.Attempt, attempt);
        if (port is null)
        {
            if (!isLate)
            {
                Open(peer, slot, attempt.Candidates, reason);
            }

            return;
        }

        slot.Attempt = isLate ? slot.Attempt : null;
        bool otherWon = (slot.Port ?? slot.Candidate) is { Opener: false } && self > peer.Device && Age(slot) < Simultaneous;
        if (otherWon || !_peers.ContainsKey(peer.Device))
        {
            port.Relay.ClosePort(port);
            return;
        }

        Install(peer, slot, port);
    }

    private void Install(TunnelPeer peer, PortSlot slot, RelayPort port)
    {
        peer.LastRelay = port.Relay.Uri.Address;
        peer.NotFound = 0;
        slot.Since = time.GetTimestamp();
        slot.NextAttempt = 0;
        port.Owner = peer;
        if (slot.Candidate is { } unproven)
        {
            slot.Candidate = null;
            unproven.Relay.ClosePort(unproven);
        }

        slot.Candidate = port;
        if (slot.Use == RelayPortUse.Control)
        {
            peer.CandidateLink?.Close("replaced by a newer channel");
            peer.CandidateLink = new ControlLink(port, identity, this) { LastHeard = time.GetTimestamp() };
        }

        if (slot.Port is null)
        {
            Promote(peer, slot);
        }

        peer.CandidateLink?.Start();
    }

    /// <summary>The candidate becomes the port in use; the older one closes.</summary>
    private void Promote(TunnelPeer peer, PortSlot slot)
    {
        RelayPort? older = slot.Port;
        slot.Port = slot.Candidate;
        slot.Candidate = null;
        if (older is not null)
        {
            older.Relay.ClosePort(older);
        }

        if (slot.Use == RelayPortUse.Tunnel)
        {
            peer.Backoff.Reset();
            SetPath(peer, slot.Port?.Path, slot.Port is null ? "the relay port was closed" : "through the relay: no direct path known");
        }
    }

    private void SetPath(TunnelPeer peer, Paths.IPath? path, string reason)
    {
        peer.PathReason = reason;
        if (!ReferenceEquals(peer.Path, path))
        {
            peer.Path = path;
            events.OnPeerPath(peer);
        }
    }

    /// <summary>Closes the port in use; a candidate takes its place.</summary>
    private void CloseSlot(TunnelPeer peer, PortSlot slot)
    {
        if (slot.Port is not null)
        {
            Promote(peer, slot);
        }
    }

    private void Disconnect(TunnelPeer peer, string reason)
    {
        Send(peer, new ControlMessage { Type = ControlMessage.Goodbye, Reason = reason });
        peer.Link?.Close(reason);
        peer.CandidateLink?.Close(reason);
        foreach (PortSlot slot in new[] { peer.Tunnel, peer.Control })
        {
            CloseSlot(peer, slot);
            CloseSlot(peer, slot);
        }

        SetPath(peer, null, reason);
    }

    private TimeSpan Age(PortSlot slot)
    {
        return time.GetElapsedTime(slot.Since);
    }

    private long Ticks(TimeSpan span)
    {
        return (long)(span.TotalSeconds * time.TimestampFrequency);
    }

}
