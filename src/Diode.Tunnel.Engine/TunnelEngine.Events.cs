using Diode.Tunnel.Engine.ControlChannel;
using Diode.Tunnel.Engine.Paths;
using Diode.Tunnel.Engine.Paths.Probing;
using Diode.Tunnel.Engine.Peers;
using Diode.Tunnel.Engine.Relays;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.WireGuard;

namespace Diode.Tunnel.Engine;

/// <content>What relays, peers and the WireGuard core report.</content>
public sealed partial class TunnelEngine : IRelayEvents, IPeerMeshEvents, IWireGuardOutput
{
    // First bytes of WireGuard messages (whitepaper §5.4).
    private const byte HandshakeInitiationType = 1;
    private const byte HandshakeResponseType = 2;
    private const byte CookieReplyType = 3;

    private static readonly TimeSpan EarlyTick = TimeSpan.FromMilliseconds(130);

    void IRelayEvents.OnReady(RelayConnection relay)
    {
        _loop.TryPost(() =>
        {
            RememberAddress(relay.Uri, _relays.MarkReady(relay));
            TickPaths();
            _mesh.RelayReady();
            NotifyChanged();
        });
    }

    void IRelayEvents.OnClosed(RelayConnection relay, string reason)
    {
        _loop.TryPost(() =>
        {
            _relays.MarkClosed(relay, reason);
            _up?.Paths?.RelayClosed(relay);
            _perimeterInterface.RelayClosed(relay);
            NotifyChanged();
        });
        _ = TickRelaysSoonAsync();
    }

    /// <summary>The first attempts are closer to each other than the ticks of the loop.</summary>
    private async Task TickRelaysSoonAsync()
    {
        await Task.Delay(EarlyTick, _time).ConfigureAwait(false);
        _loop.TryPost(() =>
        {
            if (_up is not null)
            {
                _relays.Tick();
            }
        });
    }

    void IRelayEvents.OnPortOpenRequested(RelayConnection relay, RelayPortRequest request)
    {
        if (!_loop.TryPost(() => AnswerPortRequest(relay, request)))
        {
            relay.Reject(request, "busy");
        }
    }

    void IRelayEvents.OnUdpPortRequested(RelayConnection relay, RelayUdpRequest request)
    {
        if (!_loop.TryPost(() => AnswerUdpPort(relay, request)))
        {
            relay.AnswerUdpPort(request, accept: false);
        }
    }

    void IRelayEvents.OnControlData(RelayPort port, byte[] data)
    {
        if (!_loop.TryPost(() => PeerMesh.HandleControlData(port, data)))
        {
            // A gap in a TLS stream cannot be mended: the channel is opened anew.
            port.Relay.ClosePort(port);
        }
    }

    void IRelayEvents.OnPortClosed(RelayPort port)
    {
        _loop.TryPost(() => _mesh.HandlePortClosed(port));
    }

    void IRelayEvents.OnDatagrams(RelayPort port, PacketBuffer datagrams, int segmentSize)
    {
        if (port.Path is not { } path || _up is not { } up)
        {
            return;
        }

        // The first bytes of a train are the same, and WireGuard has other ones than probes.
        Span<byte> train = datagrams.Span;
        if (ProbeMessage.IsProbe(train))
        {
            for (int at = 0; at < train.Length; at += segmentSize)
            {
                up.Paths?.ReceiveFromStream(port.Owner as TunnelPeer, path, train.Slice(at, Math.Min(segmentSize, train.Length - at)));
            }

            return;
        }

        path.CountReceived();
        port.Relay.Receiver ??= up.Pipeline.CreateReceiver();
        port.Relay.Receiver.Take(path, datagrams, segmentSize);
    }

    void IRelayEvents.OnDatagramsEnd(RelayConnection relay)
    {
        relay.Receiver?.Flush();
    }

    void IWireGuardOutput.Send(Peer? peer, object? endpoint, ReadOnlySpan<byte> datagram)
    {
        TunnelPeer? tunnelPeer = peer?.Tag as TunnelPeer;

        // An answer goes back the way the question came: that path has just proven itself. All else goes where data go.
        bool isAnswer = tunnelPeer is null || datagram[0] is HandshakeResponseType or CookieReplyType;
        IPath? path = isAnswer && endpoint is IPath { IsOpen: true } proven ? proven : tunnelPeer?.CurrentPath;
        SendNow(path, datagram);

        // Whoever has lost its keys has lost its probes, too: the question goes by the floor as well, and the copy is ignored.
        if (datagram[0] == HandshakeInitiationType && path is UdpPath && tunnelPeer?.Path is { } floor)
        {
            SendNow(floor, datagram);
        }
    }

    private static void SendNow(IPath? path, ReadOnlySpan<byte> datagram)
    {
        if (path is not null && path.Send(datagram))
        {
            path.Flush();
        }
    }

    void IWireGuardOutput.OnSessionEstablished(Peer peer)
    {
        NotifyChanged();
    }

    void IWireGuardOutput.OnHandshakeFailed(Peer peer)
    {
        if (peer.Tag is TunnelPeer tunnelPeer)
        {
            WantPeer(tunnelPeer);
        }
    }

    void IPeerMeshEvents.OnPeerHello(TunnelPeer peer, ControlMessage hello)
    {
        peer.LinkLost = null;
        bool isRestarted = hello.Instance is null || hello.Instance != peer.Instance;
        peer.Instance = hello.Instance;
        if (isRestarted)
        {
            Log.PeerRestarted(_logger, peer.Device.ToString());
            _up?.Paths?.PeerRestarted(peer);

            // What is sealed with keys of its former run gets lost. A new run that was quick to shake hands has later ones.
            if (peer.LastAlive != 0)
            {
                peer.Session?.EndSession(_clock.At(peer.LastAlive));
            }

            peer.HandshakeDue = true;
            BeginHandshake(peer);
        }

        _up?.Paths?.WantCandidates();
        OfferPaths(peer);
        ExchangeManifests(peer, hello);
        _exitClient.Tick();
        NotifyChanged();
    }

    void IPeerMeshEvents.OnPeerLost(TunnelPeer peer, string reason)
    {
        _up?.Paths?.Suspect(peer, peer.HasLeft);
        peer.LinkLost = reason;
        bool isGone = reason.StartsWith(PeerMesh.GoodbyeReason, StringComparison.Ordinal);
        if (isGone)
        {
            peer.Session?.EndSession();
        }

        if (isGone || !peer.LivesOnPath)
        {
            Lose(peer);
        }

        NotifyChanged();
    }

    /// <summary>A peer is gone: neither its control channel nor a way of its own is left.</summary>
    private void Lose(TunnelPeer peer)
    {
        string reason = peer.LinkLost ?? "gone";
        peer.LinkLost = null;
        _exitServer.Release(peer);
        _exitClient.HandleLoss(peer, reason, refused: false);
    }

    void IPeerMeshEvents.OnPeerMessage(TunnelPeer peer, ControlMessage message)
    {
        switch (message.Type)
        {
            case ControlMessage.Manifest:
                TakeManifest(peer, message);
                break;
            case ControlMessage.ManifestRequest:
                SendManifest(peer, message);
                break;
            case ControlMessage.Candidates:
                _up?.Paths?.TakeOffer(peer, message);
                break;
            case ControlMessage.ExitRequest:
                _exitServer.HandleRequest(peer, ExitResolvers());
                NotifyChanged();
                break;
            case ControlMessage.ExitRelease:
                _exitServer.Release(peer);
                break;
            case ControlMessage.ExitGrant:
                _exitClient.HandleGrant(peer, message);
                break;
            case ControlMessage.ExitRefuse:
            case ControlMessage.ExitRevoke:
                _exitClient.HandleLoss(peer, message.Reason ?? "refused", refused: true);
                break;
            default:
                break;
        }
    }

    void IPeerMeshEvents.OnPeerKey(TunnelPeer peer)
    {
        if (_up is not { } up || peer.TunnelKey is not { } key)
        {
            return;
        }

        if (peer.Session is { } old)
        {
            peer.Session = null;
            up.WireGuard.RemovePeer(old);
        }

        AddSession(up, peer, key);
        PublishSnapshot();
    }

    void IPeerMeshEvents.OnPeerPlain(TunnelPeer peer)
    {
        PublishSnapshot();
        SendWaitingToPlain(peer);
        NotifyChanged();
    }

    void IPeerMeshEvents.OnPeerPath(TunnelPeer peer)
    {
        BeginHandshake(peer);
        _up?.Paths?.StreamChanged(peer);
        _up?.Pipeline.SendWaiting(peer);
        peer.Wanted = peer.Path is null && peer.Wanted;
        NotifyChanged();
    }

    /// <summary>
    /// Does not wait for what WireGuard's timers would find out: a handshake that had no path is repeated only after five seconds, and that
    /// a peer was restarted, so that its side of the session is gone, shows after fifteen. A new control channel tells at once.
    /// </summary>
    private void BeginHandshake(TunnelPeer peer)
    {
        long now = _clock.Now;
        if (peer.Path is not null && peer.Session is { } session && (peer.HandshakeDue || !session.HasSession(now)))
        {
            peer.HandshakeDue = false;
            session.InitiateHandshake(now);
        }
    }

    ControlMessage IPeerMeshEvents.MakeHello(TunnelPeer peer)
    {
        return new ControlMessage
        {
            Type = ControlMessage.Hello,
            Version = ControlMessage.ProtocolVersion,
            HostName = Environment.MachineName,
            Instance = $"{_up?.Instance}-{peer.Filter.Id}",
            TunnelKey = Convert.ToHexStringLower(_keys.TunnelPublicKey),
            Exit = _exitServer.Offer,
            Fleets = [.. _manifests.Fleets.Select(static m => new FleetPart(m.Operator.ToString(), (long)m.Version))],
        };
    }

    private static void AddSession(UpState up, TunnelPeer peer, byte[] key)
    {
        if (!up.WireGuard.TryAddPeer(key, new PeerOptions { Tag = peer }, out Peer? session))
        {
            peer.PathReason = "the device announces a tunnel key that is unusable or belongs to another device";
            return;
        }

        peer.Session = session;
        if (peer.Path is not null)
        {
            up.Pipeline.SendWaiting(peer);
        }
    }

    private void WantPeer(TunnelPeer peer)
    {
        _loop.TryPost(() =>
        {
            _mesh.Want(peer);
            peer.Wanted = false;
        });
    }
}
