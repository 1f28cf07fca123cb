using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Relay.Sessions;

/// <summary>Who is connected: all sessions, and those of a device oldest first. Thread-safe.</summary>
internal sealed class SessionDirectory
{
    private readonly Lock _gate = new();
    private readonly Dictionary<Address, List<RelaySession>> _devices = [];
    private volatile RelaySession[] _snapshot = [];
    private bool _changed;
    private int _count;

    /// <summary>Number of sessions.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Number of devices with at least one session.</summary>
    public int DeviceCount
    {
        get
        {
            lock (_gate)
            {
                return _devices.Count;
            }
        }
    }

    public void Add(RelaySession session)
    {
        lock (_gate)
        {
            if (!_devices.TryGetValue(session.Device, out List<RelaySession>? sessions))
            {
                _devices[session.Device] = sessions = new List<RelaySession>(1);
            }

            sessions.Add(session);
            _count++;
            _changed = true;
        }
    }

    public void Remove(RelaySession session)
    {
        lock (_gate)
        {
            if (_devices.TryGetValue(session.Device, out List<RelaySession>? sessions) && sessions.Remove(session))
            {
                _count--;
                _changed = true;
                if (sessions.Count == 0)
                {
                    _devices.Remove(session.Device);
                }
            }
        }
    }

    /// <summary>The oldest session of a device: the one that ports are opened to (diode-edge §3.6).</summary>
    public RelaySession? FindOldest(Address device)
    {
        lock (_gate)
        {
            return _devices.TryGetValue(device, out List<RelaySession>? sessions) ? sessions[0] : null;
        }
    }

    /// <summary>All sessions of a device; messages go to each.</summary>
    public RelaySession[] FindAll(Address device)
    {
        lock (_gate)
        {
            return _devices.TryGetValue(device, out List<RelaySession>? sessions) ? [.. sessions] : [];
        }
    }

    /// <summary>All sessions, as of a moment ago.</summary>
    public RelaySession[] Snapshot()
    {
        lock (_gate)
        {
            if (_changed)
            {
                _snapshot = [.. _devices.Values.SelectMany(sessions => sessions)];
                _changed = false;
            }

            return _snapshot;
        }
    }
}
