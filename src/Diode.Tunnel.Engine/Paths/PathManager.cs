using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using Diode.Tunnel.Engine.Addressing;
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
    private readonly List<(Relays.RelayConnection Relay, long Bytes)> _charges = [];
    private readonly AutoResetEvent _wake = new(false);
    private Task? _running;
    private volatile bool _stopped;
    private bool _hasRefusals;
    private long _strayProbes;
    private long _tooLongSends;
    private long _unreachableSends;

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
        _transport = new UdpTransport(port, buffers, Receive, TakeRefusal);
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

    /// <summary>Sends that this machine refused because they were longer than the interface carries.</summary>
    public long TooLongSends => Interlocked.Read(ref _tooLongSends);

    /// <summary>Sends that this machine refused because it has no way to the receiver.</summary>
    public long UnreachableSends => Interlocked.Read(ref _unreachableSends);

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

    internal long Now => _clock.Now;

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

    internal void Charge(Relays.RelayConnection relay, long bytes)
    {
        _charges.Add((relay, bytes));
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

    /// <summary>The system refused a send. On the thread that sent, and so without the lock.</summary>
    private void TakeRefusal(EndpointAddress to, SendRefusal why, int length)
    {
        Interlocked.Increment(ref why == SendRefusal.TooLong ? ref _tooLongSends : ref _unreachableSends);
        if (_bySource.TryGetValue(to, out UdpPath? path) && path.Refuse(why, length))
        {
            Volatile.Write(ref _hasRefusals, true);
            _wake.Set();
        }
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
                bool hasRefusals = Interlocked.Exchange(ref _hasRefusals, false);
                foreach (PeerPaths paths in _peers.Values)
                {
                    bool isRefused = hasRefusals && paths.TakeRefusals(now);
                    if ((paths.NextAt <= now || isRefused) && paths.Step(now))
                    {
                        (changed ??= []).Add(paths.Peer);
                    }

                    next = Math.Min(next, paths.NextAt);
                }
            }

            SendOutbox();
            PayCharges();
            foreach (TunnelPeer peer in changed ?? [])
            {
                _events.OnPathChosen(peer);
            }

            long wait = Math.Max(0, next - _clock.Now);
            _wake.WaitOne(TimeSpan.FromTicks(wait) + TimeSpan.FromMilliseconds(1));
        }
    }

    private void PayCharges()
    {
        (Relays.RelayConnection Relay, long Bytes)[] charges;
        lock (_gate)
        {
            charges = [.. _charges];
            _charges.Clear();
        }

        foreach ((Relays.RelayConnection relay, long bytes) in charges)
        {
            relay.CountUdpBytes(bytes);
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
}
