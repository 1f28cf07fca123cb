using System.Net;
using System.Net.NetworkInformation;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Network;
using Diode.Tunnel.Platform.Sockets;

namespace Diode.Tunnel.Engine.Paths;

/// <content>Where this device is to be found.</content>
internal sealed partial class PathManager
{
    private const long LocalInterval = 2 * TimeSpan.TicksPerSecond;
    private const long WantedTime = 40 * TimeSpan.TicksPerSecond;
    private const int MaxReflexive = 6;

    private readonly ReflexiveAddresses _reflexive = new();
    private List<EndpointAddress> _local = [];
    private List<EndpointAddress> _relays = [];
    private long _nextLocal;
    private long _wantedUntil;

    /// <summary>Name of the tunnel's adapter, whose addresses are no candidates.</summary>
    public string AdapterName { get; init; } = "";

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

        return _reflexive.Addresses.Where(a => CandidatePolicy.IsUsable(a, _pool)).Take(MaxReflexive)
            .Concat(_local).Distinct().Take(CandidatePolicy.MaxCandidates);
    }

    private void AdvanceGathering(long now)
    {
        if (now >= _nextLocal && ReadLocal(now))
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

    /// <summary>Addresses or routes may have changed, or the machine has slept.</summary>
    public void NetworkChanged()
    {
        lock (_gate)
        {
            long now = _clock.Now;
            ReadLocal(now);
            NetworkChangedLocked(now);
        }

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
        _events.OnCandidatesChanged();
    }

    private bool ReadLocal(long now)
    {
        bool isFirst = _nextLocal == 0;
        _nextLocal = now + LocalInterval;
        List<EndpointAddress> found = CandidatePolicy.FromLocal(ReadAddresses(), _transport.Port, _transport.PortIpv6, _pool);
        if (found.SequenceEqual(_local))
        {
            return false;
        }

        _local = found;
        return !isFirst;
    }

    private IEnumerable<IPAddress> ReadAddresses()
    {
        try
        {
            return OperatingSystem.IsLinux()
                ? [.. NetworkSnapshot.ReadInterfaces()
                    .Where(i => i is { IsUp: true, IsLoopback: false } && i.Name != AdapterName)
                    .SelectMany(static i => i.Addresses)
                    .Select(static a => a.Address)]
                : [.. NetworkInterface.GetAllNetworkInterfaces()
                    .Where(i => i.OperationalStatus == OperationalStatus.Up && i.Name != AdapterName)
                    .SelectMany(static i => i.GetIPProperties().UnicastAddresses)
                    .Select(static a => a.Address)];
        }
        catch (Exception e) when (e is PlatformException or NetworkInformationException)
        {
            return [];
        }
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
