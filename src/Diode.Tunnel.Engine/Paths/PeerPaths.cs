using Diode.Tunnel.Engine.Paths.Probing;
using Diode.Tunnel.Engine.Peers;

namespace Diode.Tunnel.Engine.Paths;

/// <summary>The ways to one peer, with their sockets: between the pure <see cref="ProbeSession"/> and the packet path. Under the lock of
/// <see cref="PathManager"/>.</summary>
internal sealed partial class PeerPaths : IProbeOutput, IDisposable
{
    private readonly PathManager _manager;
    private readonly List<UdpPath> _made = [];
    private UnknownUdpPath? _lastUnknown;

    public PeerPaths(PathManager manager, TunnelPeer peer, Func<ulong> random)
    {
        _manager = manager;
        Peer = peer;
        Session = new ProbeSession(this, random);
    }

    /// <summary>Whose ways these are.</summary>
    public TunnelPeer Peer { get; }

    /// <summary>Probes and decisions.</summary>
    public ProbeSession Session { get; }

    /// <summary>When to look again.</summary>
    public long NextAt { get; set; }

    /// <summary>The network has changed: ports may be asked for again at once.</summary>
    public void NetworkChanged(long now)
    {
        _fruitless = 0;
        _nextPort = now;
        NextAt = 0;
        Session.Agent.NetworkChanged(now);
    }

    /// <summary>Looks at what is due, and tells the packet path.</summary>
    /// <returns>True if the way in use has changed.</returns>
    public bool Step(long now)
    {
        if (_manager.IsDirectAllowed && Peer.Session?.Endpoint is UnknownUdpPath heard && !ReferenceEquals(heard, _lastUnknown))
        {
            // Something authentic came from there: the peer may have moved. Only an answered probe makes it a way.
            _lastUnknown = heard;
            Session.Agent.Add(PathKind.DirectUdp, heard.Remote, now);
        }

        StepPorts(now);
        NextAt = Session.Agent.Advance(now);
        return Publish();
    }

    /// <summary>Tells the agent what this machine refused to send.</summary>
    /// <returns>True if there was anything: look again at once.</returns>
    public bool TakeRefusals(long now)
    {
        bool any = false;
        foreach (UdpPath path in _made)
        {
            if (!path.TakeRefusals(out int tooLong, out bool isUnreachable))
            {
                continue;
            }

            any = true;
            foreach (PathRoute route in Session.Agent.Routes)
            {
                if (ReferenceEquals(route.Tag, path))
                {
                    Session.Agent.OnRefused(route, tooLong, isUnreachable, now);
                    break;
                }
            }
        }

        return any;
    }

    /// <summary>Tells the packet path what the agent has decided.</summary>
    public bool Publish()
    {
        IReadOnlyList<PathRoute> routes = Session.Agent.Routes;
        IPath? stream = null;
        int udp = 0;
        foreach (PathRoute route in routes)
        {
            if (route.Tag is UdpPath path)
            {
                udp++;
                path.MaxDatagram = Math.Max(route.MaxDatagram, PathTimings.LeastDatagram);
                path.SafeDatagram = route.SafeDatagram;
                path.IsUnreachable = route.IsUnreachable;
            }
            else
            {
                stream = route.Tag as IPath ?? stream;
            }
        }

        if (udp != _made.Count)
        {
            Sweep(routes);
        }

        UdpPath? chosen = Session.Agent.Current?.Tag as UdpPath;
        chosen?.Fallback = stream;
        Peer.IsSilent = Session.Agent.IsSilent(_manager.Now);
        if (ReferenceEquals(chosen, Peer.Chosen))
        {
            return false;
        }

        Peer.Chosen = chosen;
        return true;
    }

    /// <inheritdoc/>
    public void SendProbe(PathRoute route, ReadOnlySpan<byte> datagram)
    {
        if (route.Tag is null && route.Remote.IsSet)
        {
            UdpPath made = _manager.MakePath(route.Kind, route.Remote);
            _made.Add(made);
            route.Tag = made;
            route.Traffic = made;
        }

        _manager.Enqueue(route.Tag as IPath, datagram);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Peer.Chosen = null;
        foreach ((_, RelayUdpPort port) in _ports)
        {
            _manager.Unused(port);
        }

        _ports.Clear();
        Sweep([]);
        Session.Dispose();
    }

    private void Sweep(IReadOnlyList<PathRoute> routes)
    {
        for (int i = _made.Count - 1; i >= 0; i--)
        {
            UdpPath path = _made[i];
            bool isUsed = false;
            foreach (PathRoute route in routes)
            {
                isUsed |= ReferenceEquals(route.Tag, path);
            }

            if (!isUsed)
            {
                _made.RemoveAt(i);
                path.Close();
                _manager.Forget(path);
            }
        }
    }
}
