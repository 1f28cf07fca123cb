using System.Net;
using Diode.Tunnel.Platform.Sockets;

namespace Diode.Tunnel.Relay.Datagrams;

/// <summary>
/// Gives each remote address one object, since sockets overwrite the address they receive into. Bounded: forgets all when
/// full, which costs a few allocations. One thread.
/// </summary>
internal sealed class UdpRemoteTable(int capacity = 16_384)
{
    private readonly Dictionary<SocketAddress, UdpRemote> _known = [];
    private readonly Dictionary<EndpointAddress, UdpRemote> _knownEndpoints = [];
    private UdpRemote? _latest;

    public UdpRemote Find(SocketAddress received)
    {
        if (_latest is not null && _latest.Address.Equals(received))
        {
            return _latest;
        }

        if (!_known.TryGetValue(received, out UdpRemote? remote))
        {
            if (_known.Count >= capacity)
            {
                _known.Clear();
            }

            remote = new UdpRemote(received);
            _known.Add(remote.Address, remote);
        }

        return _latest = remote;
    }

    public UdpRemote Find(in EndpointAddress received)
    {
        if (_latest is not null && _latest.Endpoint == received)
        {
            return _latest;
        }

        if (!_knownEndpoints.TryGetValue(received, out UdpRemote? remote))
        {
            if (_knownEndpoints.Count >= capacity)
            {
                _knownEndpoints.Clear();
            }

            remote = new UdpRemote(received);
            _knownEndpoints.Add(received, remote);
        }

        return _latest = remote;
    }
}
