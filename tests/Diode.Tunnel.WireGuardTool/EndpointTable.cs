using Diode.Tunnel.Platform.Sockets;

namespace Diode.Tunnel.WireGuardTool;

/// <summary>
/// Gives each remote address one object: the core compares endpoints by reference. Used by the receiving thread only; bounded.
/// </summary>
internal sealed class EndpointTable
{
    private const int Capacity = 4096;

    private readonly Dictionary<EndpointAddress, RemoteEndpoint> _known = [];
    private RemoteEndpoint? _latest;

    public RemoteEndpoint Find(in EndpointAddress received)
    {
        if (_latest is not null && _latest.Address == received)
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
            _known.Add(received, remote);
        }

        return _latest = remote;
    }
}
