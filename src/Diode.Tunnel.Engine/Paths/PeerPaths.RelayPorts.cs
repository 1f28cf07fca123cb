using Diode.Tunnel.Engine.Paths.Probing;

namespace Diode.Tunnel.Engine.Paths;

/// <content>
/// UDP ports at relays. They are asked for while there is traffic and no direct way, and given back when they bring nothing, when they
/// die (a NAT has forgotten: the relay does not let a third sender in, so a new port is the only cure), or when a direct way holds.
/// </content>
internal sealed partial class PeerPaths
{
    private const int MaxPorts = 2;
    private const long Second = TimeSpan.TicksPerSecond;
    private const long ProofTime = 8 * Second;
    private const long DirectTime = 30 * Second;
    private const long IdleTime = 600 * Second;
    private const long FirstWait = Second;
    private const long LongestWait = 120 * Second;

    private readonly List<(PathRoute Route, RelayUdpPort Port)> _ports = [];
    private long _nextPort;
    private int _fruitless;

    /// <summary>A port is there to be tried.</summary>
    public void AddPort(RelayUdpPort port, long now)
    {
        if (_ports.Count == MaxPorts)
        {
            int worst = ReferenceEquals(_ports[0].Route, Session.Agent.Current) ? 1 : 0;
            DropPort(worst, now);
        }

        if (Session.Agent.Add(PathKind.RelayUdp, port.Endpoint, now) is { } route)
        {
            _ports.Add((route, port));
        }
        else
        {
            _manager.Unused(port);
        }
    }

    /// <summary>A relay's session has ended, and its ports with it.</summary>
    public void DropPortsOf(Relays.RelayConnection relay, long now)
    {
        for (int i = _ports.Count - 1; i >= 0; i--)
        {
            if (ReferenceEquals(_ports[i].Port.Relay, relay))
            {
                DropPort(i, now);
            }
        }
    }

    private void StepPorts(long now)
    {
        PathAgent agent = Session.Agent;
        for (int i = _ports.Count - 1; i >= 0; i--)
        {
            PathRoute route = _ports[i].Route;
            Charge(_ports[i]);
            bool isCurrent = ReferenceEquals(route, agent.Current);
            bool isUseless = route.ProvenAt == 0 && now - route.Since > ProofTime;
            bool isDead = !isCurrent && route.ProvenAt != 0 && route.Lost >= PathTimings.LostForDead;
            bool isSpare = !isCurrent
                && agent.Current is { Kind: PathKind.DirectUdp, Lost: 0 } && now - agent.CurrentSince > DirectTime;
            bool isIdle = now - Math.Max(route.Since, agent.LastTraffic) > IdleTime;
            if (route.ProvenAt != 0)
            {
                _fruitless = 0;
            }

            if (isUseless || isDead || isSpare || isIdle)
            {
                _fruitless += isUseless ? 1 : 0;
                _nextPort = now + Math.Min(LongestWait, FirstWait << Math.Min(_fruitless, 10));
                DropPort(i, now);
            }
        }

        if (now >= _nextPort && agent.WantsRelayPort(now))
        {
            _nextPort = now + Math.Min(LongestWait, 4 * FirstWait << Math.Min(_fruitless, 10));
            _manager.Want(Peer);
        }
    }

    /// <summary>Relays charge what goes through their ports; the session that pays cannot see it by itself.</summary>
    private void Charge((PathRoute Route, RelayUdpPort Port) entry)
    {
        if (entry.Route.Tag is UdpPath path && path.CarriedBytes is long carried && carried > path.ChargedBytes)
        {
            _manager.Charge(entry.Port.Relay, carried - path.ChargedBytes);
            path.ChargedBytes = carried;
        }
    }

    private void DropPort(int index, long now)
    {
        Charge(_ports[index]);
        (PathRoute route, RelayUdpPort port) = _ports[index];
        _ports.RemoveAt(index);
        Session.Agent.Remove(route, now);
        _manager.Unused(port);
    }
}
