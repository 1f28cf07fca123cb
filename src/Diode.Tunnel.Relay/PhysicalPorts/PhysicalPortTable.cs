using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Relay.Sessions;

namespace Diode.Tunnel.Relay.PhysicalPorts;

/// <summary>
/// All physical ports by number, who may have how many, and when they end. Thread-safe; carrying bytes does not come here.
/// </summary>
internal sealed class PhysicalPortTable(IPhysicalSocketFactory sockets, RelayLimits limits, RelayCounters counters)
{
    // A port that is asked for binds a socket although nobody agreed yet.
    private const int MaxUnanswered = 16;

    // A device that many others meet through ports (an exit) is offered more than one asks for.
    private const int OfferedPerRequested = 4;

    // TCP and UDP can have the same number, but portclose2 tells the number only.
    private const int BindAttempts = 8;

    private readonly Lock _gate = new();
    private readonly Dictionary<ushort, PhysicalPort> _ports = [];
    private readonly Dictionary<Address, int> _requested = [];
    private readonly Dictionary<Address, int> _offered = [];

    /// <summary>Ports that are bound.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _ports.Count;
            }
        }
    }

    /// <summary>
    /// Binds a port, answers the requester and asks the target. Empty text: done; otherwise the error for the requester.
    /// </summary>
    public ReadOnlySpan<byte> Open(
        RelaySession requester,
        RelaySession target,
        in RequestId id,
        ReadOnlySpan<byte> name,
        ReadOnlySpan<byte> flags,
        long nowMs)
    {
        lock (_gate)
        {
            if (_ports.Count >= limits.MaxPhysicalPorts
                || _requested.GetValueOrDefault(requester.Device) >= limits.MaxPhysicalPortsPerDevice
                || _offered.GetValueOrDefault(target.Device) >= limits.MaxPhysicalPortsPerDevice * OfferedPerRequested)
            {
                return "too many open ports"u8;
            }

            if (requester.IsClosed || target.IsClosed)
            {
                return "not found"u8;
            }

            if (target.UnansweredPhysicalPorts >= MaxUnanswered)
            {
                return "too many hanging ports"u8;
            }

            var port = new PhysicalPort(requester, target, flags.Contains((byte)'u'), counters, nowMs);
            if (!TryBindLocked(port))
            {
                return "no free port"u8;
            }

            _ports.Add(port.Number, port);
            CollectionsMarshal.GetValueRefOrAddDefault(_requested, requester.Device, out _)++;
            CollectionsMarshal.GetValueRefOrAddDefault(_offered, target.Device, out _)++;
            target.UnansweredPhysicalPorts++;

            // The requester is told before the target agreed, as real relays do (diode-observed, Ports).
            requester.Edge.ReplyPortOpened(id, port.Number);
            target.Edge.SendPortOpen2(name, port.Number, requester.Device, flags);
            return default;
        }
    }

    /// <summary>The target agrees; false when it was not asked for such a port.</summary>
    public bool Confirm(RelaySession target, ushort number, long nowMs)
    {
        lock (_gate)
        {
            if (!TryFindUnanswered(target, number, out PhysicalPort? port))
            {
                return false;
            }

            target.UnansweredPhysicalPorts--;
            port.Confirm(nowMs);
            port.Socket!.Start();
            return true;
        }
    }

    /// <summary>The target refuses; the requester is not told. False when it was not asked for such a port.</summary>
    public bool Deny(RelaySession target, ushort number)
    {
        lock (_gate)
        {
            if (!TryFindUnanswered(target, number, out PhysicalPort? port))
            {
                return false;
            }

            EndLocked(port, tellTarget: false);
            return true;
        }
    }

    /// <summary>Ends a port if it is one of the device's, in either role.</summary>
    public void Close(Address device, ushort number)
    {
        lock (_gate)
        {
            if (_ports.TryGetValue(number, out PhysicalPort? port)
                && (port.Requester.Device == device || port.Target.Device == device))
            {
                EndLocked(port, tellTarget: true);
            }
        }
    }

    /// <summary>A session is gone, and with it who pays: its ports end.</summary>
    public void CloseAll(RelaySession session)
    {
        EndWhere(port => ReferenceEquals(port.Requester, session) || ReferenceEquals(port.Target, session));
    }

    /// <summary>The relay stops.</summary>
    public void CloseAll()
    {
        EndWhere(static _ => true);
    }

    /// <summary>Ends what nobody answered, joined or used in time.</summary>
    public void Tick(long nowMs)
    {
        EndWhere(port => port.DeadlineMs <= nowMs);
    }

    private void EndWhere(Predicate<PhysicalPort> condition)
    {
        lock (_gate)
        {
            List<PhysicalPort>? ending = null;
            foreach (PhysicalPort port in _ports.Values)
            {
                if (condition(port))
                {
                    (ending ??= []).Add(port);
                }
            }

            foreach (PhysicalPort port in ending ?? [])
            {
                EndLocked(port, tellTarget: true);
            }
        }
    }

    private bool TryBindLocked(PhysicalPort port)
    {
        for (int i = 0; i < BindAttempts; i++)
        {
            IPhysicalSocket? socket = sockets.TryBind(port, OnEnd);
            if (socket is null)
            {
                return false;
            }

            if (!_ports.ContainsKey(socket.Number))
            {
                port.Socket = socket;
                return true;
            }

            socket.Close();
        }

        return false;
    }

    private void OnEnd(PhysicalPort port)
    {
        lock (_gate)
        {
            EndLocked(port, tellTarget: true);
        }
    }

    private bool TryFindUnanswered(RelaySession target, ushort number, [NotNullWhen(true)] out PhysicalPort? port)
    {
        return _ports.TryGetValue(number, out port) && ReferenceEquals(port.Target, target) && !port.IsConfirmed;
    }

    private void EndLocked(PhysicalPort port, bool tellTarget)
    {
        if (!_ports.TryGetValue(port.Number, out PhysicalPort? known) || !ReferenceEquals(known, port))
        {
            // It ended before.
            return;
        }

        _ports.Remove(port.Number);
        DecrementLocked(_requested, port.Requester.Device);
        DecrementLocked(_offered, port.Target.Device);
        port.Target.UnansweredPhysicalPorts -= port.IsConfirmed ? 0 : 1;
        port.Socket!.Close();
        if (tellTarget)
        {
            port.Target.Edge.SendPortClose2(port.Number);
        }
    }

    private static void DecrementLocked(Dictionary<Address, int> counts, Address device)
    {
        if (--CollectionsMarshal.GetValueRefOrAddDefault(counts, device, out _) == 0)
        {
            counts.Remove(device);
        }
    }
}
