using System.Net;

namespace Diode.Tunnel.WireGuardTool;

/// <summary>
/// Gives each remote address one object: the core compares endpoints by reference, and the socket overwrites the address it
/// receives into. Used by the receiving thread only; bounded.
/// </summary>
internal sealed class EndpointTable
{
    private const int Capacity = 4096;

    private readonly Dictionary<SocketAddress, RemoteEndpoint> _known = [];
    private RemoteEndpoint? _latest;

    public RemoteEndpoint Find(SocketAddress received)
    {
        if (_latest is not null && _latest.Address.Equals(received))
        {
            return _latest;
        }

        if (!_known.TryGetValue(received, out RemoteEndpoint? remote))
        {
            if (_known.Count == Capacity)
            {
                _known.Clear();
            }

            remote = new RemoteEndpoint(received);
            _known.Add(remote.Address, remote);
        }

        return _latest = remote;
    }
}
