using Diode.Tunnel.Engine.ControlChannel;
using Diode.Tunnel.Engine.Paths.Probing;
using Diode.Tunnel.Engine.Peers;

namespace Diode.Tunnel.Engine.Paths;

/// <content>What the engine tells of peers, and asks.</content>
internal sealed partial class PathManager
{
    /// <summary>
    /// The peer was restarted, so its counters begin anew: it needs a new secret. A new channel to the same run of the peer needs none, and
    /// nothing that is in use changes.
    /// </summary>
    public void PeerRestarted(TunnelPeer peer)
    {
        lock (_gate)
        {
            PeerPaths paths = Open(peer);
            ulong[] before = [.. paths.Session.Ids];
            paths.Session.Renew();
            foreach (ulong id in before.Except(paths.Session.Ids))
            {
                _byId.Remove(id);
            }

            _byId[paths.Session.Own.Id] = paths;
        }
    }

    /// <summary>Peers will want to know this device's addresses as they are now.</summary>
    public void WantCandidates()
    {
        lock (_gate)
        {
            _wantedUntil = _clock.Now + WantedTime;
        }

        _wake.Set();
    }

    /// <summary>What a peer needs to find ways here: a secret for its probes, and addresses.</summary>
    public ControlMessage MakeOffer(TunnelPeer peer)
    {
        lock (_gate)
        {
            PeerPaths paths = Open(peer);
            return new ControlMessage
            {
                Type = ControlMessage.Candidates,
                ProbeId = paths.Session.Own.Id.ToString("x16", System.Globalization.CultureInfo.InvariantCulture),
                ProbeKey = Convert.ToHexStringLower(paths.Session.Own.Key),
                Endpoints = [.. OwnCandidates().Select(static e => e.ToString())],
            };
        }
    }

    /// <summary>Takes what a peer told; it must have come over its control channel.</summary>
    public void TakeOffer(TunnelPeer peer, ControlMessage message)
    {
        if (message is not { ProbeId.Length: 16, ProbeKey.Length: 2 * ProbeSecret.KeyLength }
            || !ulong.TryParse(
                message.ProbeId, System.Globalization.NumberStyles.AllowHexSpecifier, System.Globalization.CultureInfo.InvariantCulture, out ulong id)
            || !message.ProbeKey.All(char.IsAsciiHexDigit))
        {
            return;
        }

        lock (_gate)
        {
            PeerPaths paths = Open(peer);
            paths.Session.TakeSecret(id, Convert.FromHexString(message.ProbeKey), _clock.Now);
            paths.Session.Agent.SetCandidates(CandidatePolicy.Read(IsDirectAllowed ? message.Endpoints : [], _pool), _clock.Now);
            SetStreamLocked(paths);
            paths.NextAt = 0;
        }

        _wake.Set();
    }

    /// <summary>The peer's relay stream has come, changed or gone.</summary>
    public void StreamChanged(TunnelPeer peer)
    {
        lock (_gate)
        {
            if (_peers.TryGetValue(peer, out PeerPaths? paths))
            {
                SetStreamLocked(paths);
                paths.Publish();
                paths.NextAt = 0;
            }
        }

        _wake.Set();
    }

    /// <summary>The control channel has gone: perhaps the peer, too.</summary>
    /// <param name="peer">The peer.</param>
    /// <param name="mayReturn">It may be back at any moment, anywhere: what was measured before counts for nothing until it is measured again.</param>
    public void Suspect(TunnelPeer peer, bool mayReturn)
    {
        lock (_gate)
        {
            if (_peers.TryGetValue(peer, out PeerPaths? paths))
            {
                if (mayReturn)
                {
                    paths.Session.Agent.PeerChanged(_clock.Now);
                    paths.Publish();
                }
                else
                {
                    paths.Session.Agent.Suspect(_clock.Now);
                }

                paths.NextAt = 0;
            }
        }

        _wake.Set();
    }

    /// <summary>The peer is none any more.</summary>
    public void Close(TunnelPeer peer)
    {
        lock (_gate)
        {
            if (_peers.Remove(peer, out PeerPaths? paths))
            {
                foreach (ulong id in paths.Session.Ids)
                {
                    _byId.Remove(id);
                }

                paths.Dispose();
            }
        }
    }

    /// <summary>A UDP port at a relay is there to meet the peer at. False: not with this peer.</summary>
    public bool AddRelayPort(TunnelPeer peer, RelayUdpPort port)
    {
        lock (_gate)
        {
            if (!_peers.TryGetValue(peer, out PeerPaths? paths) || !paths.Session.IsReady)
            {
                return false;
            }

            paths.AddPort(port, _clock.Now);
            paths.NextAt = 0;
        }

        _wake.Set();
        return true;
    }

    /// <summary>Whether the peer has told how it may be probed.</summary>
    public bool IsKnown(TunnelPeer peer)
    {
        lock (_gate)
        {
            return _peers.TryGetValue(peer, out PeerPaths? paths) && paths.Session.IsReady;
        }
    }

    /// <summary>A session with a relay has ended.</summary>
    public void RelayClosed(Relays.RelayConnection relay)
    {
        lock (_gate)
        {
            foreach (PeerPaths paths in _peers.Values)
            {
                paths.DropPortsOf(relay, _clock.Now);
                paths.Publish();
            }
        }
    }

    /// <summary>A probe that came inside a relay stream.</summary>
    public void ReceiveFromStream(TunnelPeer? peer, RelayStreamPath stream, ReadOnlySpan<byte> datagram)
    {
        long now = _clock.Now;
        lock (_gate)
        {
            if (peer is null || !_peers.TryGetValue(peer, out PeerPaths? paths))
            {
                _strayProbes++;
                return;
            }

            // The ends may not agree yet which of two ports is the newer: either will do.
            PathRoute? route = paths.Session.Agent.Routes.FirstOrDefault(r => ReferenceEquals(r.Tag, stream))
                ?? paths.Session.Agent.Routes.FirstOrDefault(static r => r.Kind == PathKind.RelayStream);
            if (route is not null && paths.Session.Receive(datagram, route, default, now) is not null)
            {
                paths.Publish();
                paths.NextAt = 0;
            }
        }

        SendOutbox();
        _wake.Set();
    }

    /// <summary>How the ways to a peer stand; null before its offer.</summary>
    public PathReport? Report(TunnelPeer peer)
    {
        lock (_gate)
        {
            return _peers.TryGetValue(peer, out PeerPaths? paths) ? PathReport.From(paths.Session, _clock.Now) : null;
        }
    }
}
