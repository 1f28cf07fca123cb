using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Relay.Sessions;

namespace Diode.Tunnel.Relay.Rpc;

/// <summary>WebSockets by the device that proved itself on them, and all of them. Thread-safe.</summary>
internal sealed class DeviceSockets(RelayCounters counters) : IDeviceListeners
{
    private readonly Lock _gate = new();
    private readonly Dictionary<Address, List<RpcSocket>> _devices = [];
    private readonly HashSet<RpcSocket> _all = [];

    /// <summary>Number of WebSockets.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _all.Count;
            }
        }
    }

    public void Add(RpcSocket socket)
    {
        lock (_gate)
        {
            _all.Add(socket);
        }
    }

    public void Remove(RpcSocket socket)
    {
        lock (_gate)
        {
            _all.Remove(socket);
            if (socket.Device is Address device)
            {
                UnbindLocked(socket, device);
            }
        }
    }

    /// <summary>A WebSocket proved to be of a device, perhaps of another one than before.</summary>
    public void Bind(RpcSocket socket, Address? before, Address device)
    {
        lock (_gate)
        {
            if (before is Address old)
            {
                UnbindLocked(socket, old);
            }

            if (_all.Contains(socket))
            {
                if (!_devices.TryGetValue(device, out List<RpcSocket>? sockets))
                {
                    _devices[device] = sockets = new List<RpcSocket>(1);
                }

                sockets.Add(socket);
            }
        }
    }

    /// <summary>All WebSockets.</summary>
    public RpcSocket[] Snapshot()
    {
        lock (_gate)
        {
            return [.. _all];
        }
    }

    /// <inheritdoc/>
    public bool Deliver(Address device, ReadOnlySpan<byte> payload, ReadOnlySpan<byte> metadata)
    {
        RpcSocket[] sockets;
        lock (_gate)
        {
            sockets = _devices.TryGetValue(device, out List<RpcSocket>? found) ? [.. found] : [];
        }

        foreach (RpcSocket socket in sockets)
        {
            socket.DeliverMessage(payload, metadata);
            counters.MessageDelivered();
        }

        return sockets.Length > 0;
    }

    private void UnbindLocked(RpcSocket socket, Address device)
    {
        if (_devices.TryGetValue(device, out List<RpcSocket>? sockets))
        {
            sockets.Remove(socket);
            if (sockets.Count == 0)
            {
                _devices.Remove(device);
            }
        }
    }
}
