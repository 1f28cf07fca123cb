using System.Net;
using Diode.Tunnel.Engine.Paths.PortMapping;
using Diode.Tunnel.Platform.Sockets;

namespace Diode.Tunnel.Engine.Paths;

/// <content>Where this device is to be found.</content>
internal sealed partial class PathManager
{
    private const long LocalInterval = 5 * TimeSpan.TicksPerSecond;
    private const long WantedTime = 40 * TimeSpan.TicksPerSecond;
    private const long ChangeInterval = TimeSpan.TicksPerSecond;
    private const int MaxReflexive = 6;

    private readonly ReflexiveAddresses _reflexive = new();
    private List<EndpointAddress> _local = [];
    private List<EndpointAddress> _relays = [];
    private long _nextLocal;
    private long _wantedUntil;
    private long _nextChange;
    private bool _isNetworkNew;
    private EndpointAddress _mapped;
    private PortMapper? _mapper;

    /// <summary>Name of the tunnel's adapter, whose addresses are no candidates.</summary>
    public string AdapterName { get; init; } = "";

    /// <summary>How names of further adapters of this program begin: what has an address there is no way around the tunnel.</summary>
    public string OtherAdapters { get; init; } = "";

    /// <summary>False: peers do not learn addresses of this device, and theirs are not tried.</summary>
    public bool IsDirectAllowed { get; init; } = true;

    private IEnumerable<EndpointAddress> OwnCandidates()
    {
        if (!IsDirectAllowed)
        {
            return [];
        }

        if (_nextLocal == 0)
        {
            ReadLocal(_clock.Now);
        }

        IEnumerable<EndpointAddress> outside = _mapped.IsSet ? _reflexive.Addresses.Prepend(_mapped) : _reflexive.Addresses;
        return outside.Where(a => CandidatePolicy.IsUsable(a, _pool)).Take(MaxReflexive).Concat(_local).Distinct().Take(CandidatePolicy.MaxCandidates);
    }

    private void AdvanceGathering(long now)
    {
        if (Volatile.Read(ref _isNetworkNew) && now >= _nextChange)
        {
            Volatile.Write(ref _isNetworkNew, false);
            _nextChange = now + ChangeInterval;
            ReadLocal(now);
            NetworkChangedLocked(now);
        }
        else if (now >= _nextLocal && ReadLocal(now))
        {
            NetworkChangedLocked(now);
        }

        bool isWanted = now < _wantedUntil;
        foreach (PeerPaths paths in _peers.Values)
        {
            isWanted |= paths.Session.Agent.IsActive(now);
        }

        if (IsDirectAllowed && _reflexive.Advance(now, isWanted, (to, request) => _transport.Send(to, request, 0)))
        {
            _events.OnCandidatesChanged();
        }
    }

    /// <summary>Keeps a port open at the gateway from now on.</summary>
    public void StartMapping(TimeProvider time)
    {
        _mapper = new PortMapper(_transport.Port, () => GatewayFinder.Find(AdapterName), TakeMapping, time);
        _mapper.Start();
    }

    /// <summary>The port that the gateway forwards; null if it does not.</summary>
    public PortMappingLease? Mapping => _mapper?.Lease;

    private void TakeMapping(PortMappingLease? lease)
    {
        lock (_gate)
        {
            _mapped = lease?.External ?? default;
        }

        _events.OnCandidatesChanged();
    }

    /// <summary>The relays to ask for this device's address as it is seen from outside.</summary>
    public void SetRelays(IEnumerable<IPAddress> relays)
    {
        List<EndpointAddress> servers = [];
        foreach (IPAddress relay in relays)
        {
            if (EndpointAddress.TryFrom(new IPEndPoint(relay, StunMessage.DefaultPort), out EndpointAddress server) && !servers.Contains(server))
            {
                servers.Add(server);
            }
        }

        lock (_gate)
        {
            if (!servers.SequenceEqual(_relays))
            {
                _relays = servers;
                _reflexive.SetServers(servers);
                _wake.Set();
            }
        }
    }

    /// <summary>Addresses or routes may have changed, or the machine has slept: ways are tried anew, at most once a second.</summary>
    public void NetworkChanged()
    {
        Volatile.Write(ref _isNetworkNew, true);
        _wake.Set();
    }

    /// <summary>What STUN says of this device's network.</summary>
    public UdpReach Reach
    {
        get
        {
            lock (_gate)
            {
                return _reflexive.Reach;
            }
        }
    }

    private void NetworkChangedLocked(long now)
    {
        foreach (PeerPaths paths in _peers.Values)
        {
            paths.NetworkChanged(now);
        }

        _reflexive.Restart(now);
        _mapper?.Restart();
        _events.OnCandidatesChanged();
    }

    private bool ReadLocal(long now)
    {
        bool isFirst = _nextLocal == 0;
        _nextLocal = now + LocalInterval;
        List<EndpointAddress> found = CandidatePolicy.FromLocal(
            LocalAddresses.Read(AdapterName, OtherAdapters), _transport.Port, _transport.PortIpv6, _pool);
        if (found.SequenceEqual(_local))
        {
            return false;
        }

        _local = found;
        return !isFirst;
    }

    private void ReceiveGathering(ReadOnlySpan<byte> datagram, in EndpointAddress source)
    {
        lock (_gate)
        {
            if (!_reflexive.Receive(datagram, source, _clock.Now))
            {
                return;
            }
        }

        _events.OnCandidatesChanged();
    }
}
