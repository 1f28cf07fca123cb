using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using Diode.Tunnel.Engine.Addressing;
using Diode.Tunnel.Engine.ControlChannel;
using Diode.Tunnel.Engine.Paths.Probing;
using Diode.Tunnel.Engine.Peers;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Sockets;

namespace Diode.Tunnel.Engine.Paths;

/// <summary>
/// The ways to all peers: UDP sockets, a thread that steps the agents when something is due, and the tables that lead from a sender's
/// address to a path and from a probe to its peer. Everything about a peer happens under one lock that is never held while sending;
/// datagrams of the packet path do not take it.
/// </summary>
internal sealed partial class PathManager : IDisposable
{
    private const int StopSeconds = 5;
    private const int MaxUnknown = 8;

    [ThreadStatic]
    private static (UnknownUdpPath?[] Paths, int Next) _unknown;

    private readonly Lock _gate = new();
    private readonly EngineClock _clock;
    private readonly AddressPool _pool;
    private readonly IPathEvents _events;
    private readonly UdpTransport _transport;
    private readonly Dictionary<TunnelPeer, PeerPaths> _peers = [];
    private readonly Dictionary<ulong, PeerPaths> _byId = [];
    private readonly ConcurrentDictionary<EndpointAddress, UdpPath> _bySource = new();
    private readonly List<(IPath Path, byte[] Datagram)> _outbox = [];
    private readonly AutoResetEvent _wake = new(false);
    private Task? _running;
    private volatile bool _stopped;
    private long _strayProbes;

    /// <param name="port">Wished UDP port; 0 any.</param>
    /// <param name="buffers">Buffers of the receive threads.</param>
    /// <param name="pool">Virtual IPv4 addresses, which are never candidates.</param>
    /// <param name="clock">The clock.</param>
    /// <param name="events">Hears of datagrams and changes.</param>
    /// <exception cref="Platform.PlatformException">No socket can be had.</exception>
    public PathManager(int port, PacketPool buffers, AddressPool pool, EngineClock clock, IPathEvents events)
    {
        _clock = clock;
        _pool = pool;
        _events = events;
        _transport = new UdpTransport(port, buffers, Receive);
    }

    /// <summary>Probes of nobody's, forged or repeated.</summary>
    public long RefusedProbes
    {
        get
        {
            lock (_gate)
            {
                return _strayProbes + _peers.Values.Sum(static p => p.Session.Refused);
            }
        }
    }

    /// <summary>Begins to receive and to probe.</summary>
    public void Start()
    {
        _transport.Start();
        _running = Task.Factory.StartNew(
            Run, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _stopped = true;
        _wake.Set();
#pragma warning disable VSTHRD002 // the thread ends at once
        _running?.Wait(TimeSpan.FromSeconds(StopSeconds));
        _mapper?.DisposeAsync().AsTask().Wait(TimeSpan.FromSeconds(StopSeconds));
#pragma warning restore VSTHRD002
        _transport.Dispose();
        lock (_gate)
        {
            foreach (PeerPaths paths in _peers.Values)
            {
                paths.Dispose();
            }

            _peers.Clear();
            _byId.Clear();
            _bySource.Clear();
        }
    }

    /// <summary>
    /// What a peer needs to find ways here: a secret for its probes, and addresses. With <paramref name="isNewLink"/> the secret is new
    /// as well: the peer may have been restarted and count from the beginning.
    /// </summary>
    public ControlMessage MakeOffer(TunnelPeer peer, bool isNewLink)
    {
        lock (_gate)
        {
            PeerPaths paths = Open(peer);
            if (isNewLink)
            {
                _wantedUntil = _clock.Now + WantedTime;
                _wake.Set();
                ulong[] before = [.. paths.Session.Ids];
                paths.Session.Renew();
                foreach (ulong id in before.Except(paths.Session.Ids))
                {
                    _byId.Remove(id);
                }

                _byId[paths.Session.Own.Id] = paths;
            }

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
    public void Suspect(TunnelPeer peer)
    {
        lock (_gate)
        {
            if (_peers.TryGetValue(peer, out PeerPaths? paths))
            {
                paths.Session.Agent.Suspect(_clock.Now);
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

            PathRoute? route = paths.Session.Agent.Routes.FirstOrDefault(r => ReferenceEquals(r.Tag, stream));
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

    internal UdpPath MakePath(PathKind kind, in EndpointAddress remote)
    {
        return new UdpPath(_transport, kind, remote);
    }

    internal void Enqueue(IPath? path, ReadOnlySpan<byte> datagram)
    {
        if (path is { IsOpen: true })
        {
            _outbox.Add((path, datagram.ToArray()));
        }
    }

    internal void Want(TunnelPeer peer)
    {
        _events.OnRelayPortWanted(peer);
    }

    internal void Unused(RelayUdpPort port)
    {
        _events.OnRelayPortUnused(port);
    }

    internal void Forget(UdpPath path)
    {
        _bySource.TryRemove(new KeyValuePair<EndpointAddress, UdpPath>(path.Remote, path));
    }

    private static ulong Random()
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        RandomNumberGenerator.Fill(bytes);
        return BinaryPrimitives.ReadUInt64LittleEndian(bytes);
    }

    private PeerPaths Open(TunnelPeer peer)
    {
        if (!_peers.TryGetValue(peer, out PeerPaths? paths))
        {
            paths = new PeerPaths(this, peer, Random);
            _peers.Add(peer, paths);
            _byId[paths.Session.Own.Id] = paths;
        }

        return paths;
    }

    private void SetStreamLocked(PeerPaths paths)
    {
        RelayStreamPath? stream = paths.Peer.Path as RelayStreamPath;
        paths.Session.Agent.SetStream(stream, stream, _clock.Now);
    }

    private void Run()
    {
        while (!_stopped)
        {
            long now = _clock.Now;
            long next = now + (TimeSpan.TicksPerSecond / 4);
            List<TunnelPeer>? changed = null;
            lock (_gate)
            {
                AdvanceGathering(now);
                foreach (PeerPaths paths in _peers.Values)
                {
                    if (paths.NextAt <= now && paths.Step(now))
                    {
                        (changed ??= []).Add(paths.Peer);
                    }

                    next = Math.Min(next, paths.NextAt);
                }
            }

            SendOutbox();
            foreach (TunnelPeer peer in changed ?? [])
            {
                _events.OnPathChosen(peer);
            }

            long wait = Math.Max(0, next - _clock.Now);
            _wake.WaitOne(TimeSpan.FromTicks(wait) + TimeSpan.FromMilliseconds(1));
        }
    }

    private void SendOutbox()
    {
        (IPath Path, byte[] Datagram)[] out1;
        lock (_gate)
        {
            if (_outbox.Count == 0)
            {
                return;
            }

            out1 = [.. _outbox];
            _outbox.Clear();
        }

        foreach ((IPath path, byte[] datagram) in out1)
        {
            switch (path)
            {
                case UdpPath udp:
                    udp.SendProbe(datagram);
                    break;
                case RelayStreamPath stream:
                    stream.SendProbe(datagram);
                    break;
                default:
                    break;
            }
        }
    }

    private void Receive(int socket, DatagramBatch batch)
    {
        for (int i = 0; i < batch.Count; i++)
        {
            PacketBuffer buffer = batch.Buffer(i);
            ref readonly EndpointAddress source = ref batch.Source(i);
            int segmentSize = batch.SegmentSize(i);
            int step = segmentSize == 0 ? Math.Max(1, buffer.Length) : segmentSize;

            // Trains are made by the system of whatever one sender sent: probes may be among the datagrams.
            int end = buffer.Offset + buffer.Length;
            int run = buffer.Offset;
            for (int at = buffer.Offset; at < end; at += step)
            {
                Span<byte> datagram = buffer.Array.AsSpan(at, Math.Min(step, end - at));
                bool isAnswer = StunMessage.IsAnswer(datagram);
                if (!isAnswer && !ProbeMessage.IsProbe(datagram))
                {
                    continue;
                }

                Pass(socket, source, buffer, run, at, segmentSize);
                run = at + datagram.Length;
                if (isAnswer)
                {
                    ReceiveGathering(datagram, source);
                }
                else
                {
                    ReceiveProbe(datagram, source);
                }
            }

            Pass(socket, source, buffer, run, end, segmentSize);
        }

        _events.OnUdpDatagramsEnd(socket);
    }

    private void Pass(int socket, in EndpointAddress source, PacketBuffer buffer, int start, int end, int segmentSize)
    {
        if (start >= end)
        {
            return;
        }

        buffer.Offset = start;
        buffer.Length = end - start;
        if (_bySource.TryGetValue(source, out UdpPath? path))
        {
            path.CountReceived();
        }

        _events.OnUdpDatagrams(socket, path is null ? FindUnknown(source) : path, buffer, segmentSize);
    }

    private void ReceiveProbe(ReadOnlySpan<byte> datagram, in EndpointAddress source)
    {
        long now = _clock.Now;
        bool changed = false;
        TunnelPeer? peer = null;
        lock (_gate)
        {
            if (!ProbeMessage.TryRead(datagram, out ProbeMessage probe)
                || !_byId.TryGetValue(probe.Receiver, out PeerPaths? paths)
                || !CandidatePolicy.IsUsable(source, _pool))
            {
                _strayProbes++;
                return;
            }

            PathRoute? route = IsDirectAllowed || paths.Session.Find(source) is not null
                ? paths.Session.Receive(datagram, null, source, now)
                : null;
            if (route is null)
            {
                return;
            }

            if (route.Tag is UdpPath path)
            {
                _bySource[source] = path;
            }

            changed = paths.Publish();
            peer = paths.Peer;
            paths.NextAt = 0;
        }

        SendOutbox();
        if (changed)
        {
            _events.OnPathChosen(peer);
        }

        _wake.Set();
    }

    private UnknownUdpPath FindUnknown(in EndpointAddress source)
    {
        _unknown.Paths ??= new UnknownUdpPath?[MaxUnknown];
        foreach (UnknownUdpPath? known in _unknown.Paths)
        {
            if (known is not null && known.Remote == source)
            {
                return known;
            }
        }

        UnknownUdpPath path = new(_transport, source);
        _unknown.Paths[_unknown.Next] = path;
        _unknown.Next = (_unknown.Next + 1) % MaxUnknown;
        return path;
    }
}
