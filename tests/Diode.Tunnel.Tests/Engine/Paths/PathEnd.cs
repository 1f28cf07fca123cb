using Diode.Tunnel.Engine.Paths;
using Diode.Tunnel.Engine.Paths.Probing;
using Diode.Tunnel.Platform.Sockets;

namespace Diode.Tunnel.Tests.Engine.Paths;

/// <summary>A device of <see cref="PathWorld"/> with its NAT.</summary>
internal sealed class PathEnd : IProbeOutput
{
    private static readonly byte[] Data = [4, 0, 0, 0, .. new byte[100]];

    private readonly PathWorld _world;
    private readonly NatKind _nat;
    private readonly Traffic _stream = new();
    private readonly Dictionary<EndpointAddress, EndpointAddress> _mappings = [];
    private readonly HashSet<EndpointAddress> _contacted = [];
    private EndpointAddress _public;
    private EndpointAddress _private;
    private int _nextPort = 50_000;
    private ulong _random;
    private PathRoute? _lastCurrent;

    public PathEnd(PathWorld world, string outside, string inside, NatKind nat)
    {
        _world = world;
        _nat = nat;
        _public = PathWorld.Address(outside);
        _private = nat == NatKind.None ? _public : PathWorld.Address(inside);
        _random = (ulong)_public.GetHashCode();
        Session = new ProbeSession(this, () => ++_random * 0x9E3779B97F4A7C15);
        Session.Agent.SetStream(_stream, _stream, world.Now);
    }

    public PathEnd Other { get; set; } = null!;

    public ProbeSession Session { get; }

    public PathAgent Agent => Session.Agent;

    public PathKind Kind => Agent.Current?.Kind ?? PathKind.None;

    public long NextAt { get; private set; }

    /// <summary>What it sends by UDP gets lost.</summary>
    public bool IsMute { get; set; }

    /// <summary>Its data are longer than any path.</summary>
    public bool LoseData { get; set; }

    /// <summary>Length of its data; what is longer than the way is safe for takes the stream, as the shell does it.</summary>
    public int DataLength { get; set; } = Data.Length;

    /// <summary>Longest datagram its interface carries; the system refuses longer ones.</summary>
    public int InterfaceMax { get; set; } = int.MaxValue;

    /// <summary>The system refuses everything.</summary>
    public bool HasNoRoute { get; set; }

    public int DataReceived { get; private set; }

    public int Changes { get; private set; }

    public int ProbesSent { get; private set; }

    public EndpointAddress Public => _public;

    public void Introduce()
    {
        Other.Session.TakeSecret(Session.Own.Id, Session.Own.Key.ToArray(), _world.Now);
        Other.Agent.SetCandidates([_private, _public], _world.Now);
        Other.NextAt = 0;
    }

    public void RenewStream()
    {
        Traffic stream = new();
        Agent.SetStream(stream, stream, _world.Now);
        NextAt = 0;
    }

    public void Step()
    {
        NextAt = Agent.Advance(_world.Now);
        Note();
    }

    public void SendData()
    {
        if (Agent.Current is { Kind: PathKind.RelayStream })
        {
            _stream.SentDatagrams++;
            _world.Stream(this, Data);
        }
        else if (Agent.Current is { } route)
        {
            byte[] data = LoseData ? new byte[2000] : [.. Data, .. new byte[DataLength - Data.Length]];
            Traffic traffic = (Traffic)route.Traffic!;
            traffic.SentDatagrams++;
            traffic.SentLong += data.Length > PathTimings.LeastDatagram ? 1 : 0;
            if ((data.Length > route.SafeDatagram && !LoseData && _world.StreamIsUp) || IsRefused(route, data.Length))
            {
                _world.Stream(this, data);
            }
            else
            {
                _world.Udp(this, route.Remote, data);
            }
        }
    }

    public void SendProbe(PathRoute route, ReadOnlySpan<byte> datagram)
    {
        ProbesSent++;
        if (!route.Remote.IsSet)
        {
            _world.Stream(this, datagram.ToArray());
            return;
        }

        route.Traffic ??= new Traffic();
        if (IsRefused(route, datagram.Length))
        {
            return;
        }

        _world.Udp(this, route.Remote, datagram.ToArray());
    }

    private bool IsRefused(PathRoute route, int length)
    {
        bool hasNoRoute = HasNoRoute;
        if (!hasNoRoute && length <= InterfaceMax)
        {
            return false;
        }

        _world.At(0, () =>
        {
            Agent.OnRefused(route, hasNoRoute ? 0 : length, hasNoRoute, _world.Now);
            NextAt = 0;
        });
        return true;
    }

    public void ArriveByStream(byte[] datagram)
    {
        if (!ProbeMessage.IsProbe(datagram))
        {
            _stream.ReceivedDatagrams++;
            DataReceived++;
            return;
        }

        Session.Receive(datagram, Agent.Routes.First(static r => r.Kind == PathKind.RelayStream), default, _world.Now);
        NextAt = 0;
        Note();
    }

    /// <summary>What an outsider sees as the source; not set if nothing leaves.</summary>
    public EndpointAddress Out(EndpointAddress to)
    {
        _contacted.Add(to);
        if (_nat != NatKind.Symmetric)
        {
            return _nat == NatKind.Blocked ? default : _public;
        }

        if (!_mappings.TryGetValue(to, out EndpointAddress mapped))
        {
            mapped = _public.WithPort((ushort)_nextPort++);
            _mappings[to] = mapped;
        }

        return mapped;
    }

    public void Arrive(EndpointAddress source, EndpointAddress to, byte[] datagram)
    {
        if (!LetsIn(source, to))
        {
            return;
        }

        if (ProbeMessage.IsProbe(datagram))
        {
            Session.Receive(datagram, null, source, _world.Now);
            NextAt = 0;
        }
        else
        {
            DataReceived++;
            if (Session.Find(source) is { } route)
            {
                ((Traffic)(route.Traffic ??= new Traffic())).ReceivedDatagrams++;
            }
            else
            {
                // As the shell does for authentic data of unknown sources.
                Agent.Add(PathKind.DirectUdp, source, _world.Now);
                NextAt = 0;
            }
        }

        Note();
    }

    /// <summary>The NAT forgets, or the device moves: everything leaves from another address now.</summary>
    public void Rebind(string address)
    {
        _private = _nat == NatKind.None ? PathWorld.Address(address) : _private;
        _public = PathWorld.Address(address);
        _mappings.Clear();
        _contacted.Clear();
    }

    private bool LetsIn(EndpointAddress source, EndpointAddress to)
    {
        return _nat switch
        {
            NatKind.None => to == _public,
            NatKind.FullCone => to == _public,
            NatKind.AddressFiltered => to == _public && _contacted.Any(c => c.WithPort(1) == source.WithPort(1)),
            NatKind.PortFiltered => to == _public && _contacted.Contains(source),
            NatKind.Symmetric => _mappings.Any(m => m.Value == to && m.Key == source),
            _ => false,
        };
    }

    private void Note()
    {
        if (!ReferenceEquals(_lastCurrent, Agent.Current))
        {
            _lastCurrent = Agent.Current;
            Changes++;
        }
    }

    private sealed class Traffic : IRouteTraffic
    {
        public long SentDatagrams { get; set; }

        public long SentLong { get; set; }

        public long ReceivedDatagrams { get; set; }
    }
}
