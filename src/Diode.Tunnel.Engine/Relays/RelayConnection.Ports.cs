using System.Text;
using Diode.Tunnel.Edge.Messages;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Platform.Network;

namespace Diode.Tunnel.Engine.Relays;

/// <content>Ports and requests: what the owner asks of the session, and the session's events.</content>
internal sealed partial class RelayConnection : IEdgeClientEvents
{
    /// <summary>Port name of WireGuard datagrams between tunnel devices (design §4).</summary>
    public const string TunnelPortName = "udp:41042";

    /// <summary>Port name of the control channel (design §4).</summary>
    public const string ControlPortName = "tls:41042";

    /// <summary>Datagrams that may wait on the slowest link: some super-packets.</summary>
    private const int MinWaitingBytes = 512 * 1024;

    private readonly Dictionary<PortRef, RelayPort> _ports = [];
    private readonly Dictionary<uint, Action<RelayReply>> _requests = [];
    private readonly Dictionary<uint, (RelayPortUse Use, Address Device, Action<RelayPort?, string> Done)> _opening = [];
    private readonly List<Action> _callbacks = [];
    private long _pingSent;

    /// <summary>Asks for a device's newest object; <paramref name="done"/> runs on the receive thread.</summary>
    public bool GetObject(Address device, Action<RelayReply> done)
    {
        Span<byte> key = stackalloc byte[Address.Length];
        device.CopyTo(key);
        lock (_gate)
        {
            if (!IsReady)
            {
                return false;
            }

            uint id = _session.GetObject(key);
            if (id == 0)
            {
                return false;
            }

            _requests[id] = done;
        }

        Flush();
        return true;
    }

    /// <summary>Measures the round trip; a relay that does not answer is given up by <see cref="CheckAlive"/>.</summary>
    public void Ping()
    {
        lock (_gate)
        {
            if (!IsReady || _pingSent != 0)
            {
                return;
            }

            _pingSent = _time.GetTimestamp();
            _requests[_session.Ping()] = _ =>
            {
                RoundTrip = _time.GetElapsedTime(Interlocked.Exchange(ref _pingSent, 0));
            };
        }

        Flush();
    }

    /// <summary>Lets the session look at its clock, and closes it if its last ping has waited too long.</summary>
    public void CheckAlive(TimeSpan timeout)
    {
        lock (_gate)
        {
            _session.Tick(_time.GetUtcNow().ToUnixTimeMilliseconds());
        }

        long sent = Interlocked.Read(ref _pingSent);
        if (sent != 0 && _time.GetElapsedTime(sent) > timeout)
        {
            Close($"the relay has not answered for {timeout.TotalSeconds:0} s");
        }
    }

    /// <summary>Opens a port; <paramref name="done"/> gets the port or null and the reason, on the receive thread.</summary>
    public bool OpenPort(Address device, RelayPortUse use, Action<RelayPort?, string> done)
    {
        ReadOnlySpan<byte> name = use == RelayPortUse.Tunnel ? "udp:41042"u8 : "tls:41042"u8;
        lock (_gate)
        {
            if (!IsReady)
            {
                return false;
            }

            uint id = _session.PortOpen(device, name, "rw");
            if (id == 0)
            {
                return false;
            }

            _opening[id] = (use, device, done);
        }

        Flush();
        return true;
    }

    /// <summary>Accepts a port that another device asked for.</summary>
    public RelayPort? Accept(RelayPortRequest request, RelayPortUse use)
    {
        RelayPort port = MakePort(request.Incoming.Port, use, request.Source, opener: false);
        lock (_gate)
        {
            if (!IsReady || !_ports.TryAdd(port.Reference, port))
            {
                return null;
            }

            _session.AcceptPort(request.Incoming);
        }

        Flush();
        return port;
    }

    /// <summary>Refuses a port; the reason reaches the opener.</summary>
    public void Reject(RelayPortRequest request, string reason)
    {
        lock (_gate)
        {
            if (IsReady)
            {
                _session.RejectPort(request.Incoming, reason);
            }
        }

        Flush();
    }

    /// <summary>Closes a port from this side.</summary>
    public void ClosePort(RelayPort port)
    {
        port.Path?.Close();
        port.Inbox?.Close();
        lock (_gate)
        {
            if (_ports.Remove(port.Reference) && IsReady)
            {
                _session.PortClose(port.Reference);
            }
        }

        Flush();
    }

    /// <summary>
    /// Sends datagrams, or drops them rather than let them wait longer than the budget: at once when too much waits (false), later when they
    /// got too old. Both is counted.
    /// </summary>
    public bool TrySendData(PortRef port, ReadOnlySpan<byte> data)
    {
        lock (_gate)
        {
            if (!IsReady)
            {
                return false;
            }

            // Age bounds the queue; the bytes only bound its memory, and a burst of the system must fit.
            if (_waiting.Bytes > Math.Max(MinWaitingBytes, _budget.Limit))
            {
                Interlocked.Increment(ref _refusedSends);
                return false;
            }

            if (QueuedLocked() > 0)
            {
                _waiting.Add(port, data);
            }
            else
            {
                _session.PortSend(port, data);
            }
        }

        Flush();
        return true;
    }

    /// <summary>Sends data that must arrive, in pieces a relay can forward (diode-protocol §2.1: 65,000 bytes).</summary>
    public bool SendReliable(PortRef port, ReadOnlySpan<byte> data)
    {
        const int MaxPiece = 60_000;
        lock (_gate)
        {
            if (!IsReady)
            {
                return false;
            }

            while (!data.IsEmpty)
            {
                int piece = Math.Min(MaxPiece, data.Length);
                _session.PortSend(port, data[..piece]);
                data = data[piece..];
            }
        }

        Flush();
        return true;
    }

    void IEdgeClientEvents.OnReady()
    {
        if (!_ready)
        {
            Volatile.Write(ref _ready, true);
            StreamPacing.ChooseCongestionControl(_socket!);
            _callbacks.Add(() => _events.OnReady(this));
        }
    }

    void IEdgeClientEvents.OnResponse(uint requestId, in EdgeReply reply)
    {
        if (!TryAnswerChainCall(requestId, reply) && _requests.Remove(requestId, out Action<RelayReply>? done))
        {
            RelayReply copy = RelayReply.From(reply);
            _callbacks.Add(() => done(copy));
        }
    }

    void IEdgeClientEvents.OnPortOpened(uint requestId, PortRef reference)
    {
        if (_opening.Remove(requestId, out (RelayPortUse Use, Address Device, Action<RelayPort?, string> Done) opening))
        {
            RelayPort port = MakePort(reference, opening.Use, opening.Device, opener: true);
            _ports[reference] = port;
            _callbacks.Add(() => opening.Done(port, ""));
        }
    }

    void IEdgeClientEvents.OnPortOpenFailed(uint requestId, string reason)
    {
        if (_opening.Remove(requestId, out (RelayPortUse Use, Address Device, Action<RelayPort?, string> Done) opening))
        {
            _callbacks.Add(() => opening.Done(null, reason));
        }
    }

    void IEdgeClientEvents.OnPortOpenRequested(in IncomingPort incoming)
    {
        RelayPortRequest request = new(incoming, Encoding.Latin1.GetString(incoming.Name.Span), incoming.Source);
        _callbacks.Add(() => _events.OnPortOpenRequested(this, request));
    }

    void IEdgeClientEvents.OnPortData(PortRef reference, ReadOnlySpan<byte> data)
    {
        if (!_ports.TryGetValue(reference, out RelayPort? port))
        {
            return;
        }

        if (port.Use == RelayPortUse.Control)
        {
            byte[] copy = data.ToArray();
            _callbacks.Add(() => _events.OnControlData(port, copy));
            return;
        }

        if (port.Inbox is { } inbox)
        {
            inbox.Write(data);
            NoteFull(port, inbox);
            return;
        }

        // Copied out so that decryption and delivery happen outside the lock.
        while (port.Datagrams.TryRead(ref data, out ReadOnlySpan<byte> datagram))
        {
            _trains.Add(port, datagram);
        }

        if (port.Datagrams.IsBroken)
        {
            _callbacks.Add(() => ClosePort(port));
        }
    }

    void IEdgeClientEvents.OnPortClosed(PortRef reference)
    {
        if (_ports.Remove(reference, out RelayPort? port))
        {
            port.Path?.Close();
            port.Inbox?.Close();
            _callbacks.Add(() => _events.OnPortClosed(port));
        }
    }

    void IEdgeClientEvents.OnTicketRejected(string reason)
    {
        if (reason != _lastRefusal)
        {
            _lastRefusal = reason;
            Log.TicketRejected(_logger, Uri.ToString(), reason);
        }
    }

    private void Deliver()
    {
        if (!_trains.IsEmpty)
        {
            _trains.Deliver(this, _events);
        }

        if (_callbacks.Count > 0)
        {
            foreach (Action callback in _callbacks)
            {
                callback();
            }

            _callbacks.Clear();
        }
    }

    private void ClosePorts()
    {
        RelayPort[] ports;
        List<Action> unanswered = [];
        lock (_gate)
        {
            ports = [.. _ports.Values];
            _ports.Clear();
            foreach ((_, _, Action<RelayPort?, string> done) in _opening.Values)
            {
                unanswered.Add(() => done(null, "the relay session ended"));
            }

            foreach (Action<RelayReply> done in _requests.Values)
            {
                unanswered.Add(() => done(RelayReply.Failed("the relay session ended")));
            }

            FailChainCallsLocked(unanswered);
            _opening.Clear();
            _requests.Clear();
        }

        foreach (RelayPort port in ports)
        {
            port.Path?.Close();
            port.Inbox?.Fail();
            _events.OnPortClosed(port);
        }

        foreach (Action callback in unanswered)
        {
            callback();
        }
    }
}
