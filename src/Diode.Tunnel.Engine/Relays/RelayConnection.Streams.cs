using Diode.Tunnel.Edge.Messages;
using Diode.Tunnel.Engine.PlainPeers;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.Relays;

/// <content>
/// Streams of plain Diode ports. They share the session with the tunnel's datagrams: a stream waits while more than half of what
/// datagrams may queue is queued, so it takes what is left and never makes them late.
/// </content>
internal sealed partial class RelayConnection
{
    private readonly List<(RelayPort Port, PortInbox Inbox)> _fullInboxes = [];
    private TaskCompletionSource? _room;

    /// <summary>Opens a stream port; <paramref name="done"/> gets the port or null and the reason, on the receive thread.</summary>
    public bool OpenStream(Address device, ReadOnlySpan<byte> name, Action<RelayPort?, string> done)
    {
        lock (_gate)
        {
            uint id = IsReady ? _session.PortOpen(device, name, "rw") : 0;
            if (id == 0)
            {
                return false;
            }

            _opening[id] = (RelayPortUse.Stream, device, done);
        }

        Flush();
        return true;
    }

    /// <summary>Sends bytes of a stream, when the session has room. False: the port or the session is over.</summary>
    /// <param name="port">An open stream port.</param>
    /// <param name="data">At most 65,000 bytes.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public async ValueTask<bool> SendStreamAsync(RelayPort port, ReadOnlyMemory<byte> data, CancellationToken cancellation)
    {
        while (true)
        {
            Task wait;
            lock (_gate)
            {
                if (!IsReady || !_ports.ContainsKey(port.Reference))
                {
                    return false;
                }

                if (QueuedLocked() <= _budget.Limit / 2)
                {
                    _session.PortSend(port.Reference, data.Span);
                    break;
                }

                _room ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                wait = _room.Task;
            }

            await wait.WaitAsync(cancellation).ConfigureAwait(false);
        }

        Flush();
        return true;
    }

    private RelayPort MakePort(PortRef reference, RelayPortUse use, Address device, bool opener)
    {
        return new RelayPort(this, reference, use, device, opener)
        {
            Inbox = use == RelayPortUse.Stream ? new PortInbox(_options.Inboxes) : null,
        };
    }

    private int QueuedLocked()
    {
        return _session.PendingOutput + _tls.PendingOutput + _waiting.Bytes;
    }

    /// <summary>Part of every encryption step, under the lock.</summary>
    private void SignalRoomLocked()
    {
        if (_room is { } room && QueuedLocked() <= _budget.Limit / 4)
        {
            _room = null;
            room.TrySetResult();
        }
    }

    /// <summary>The session is over: who waits for room looks again.</summary>
    private void ReleaseStreams()
    {
        lock (_gate)
        {
            _room?.TrySetResult();
            _room = null;
        }
    }

    private void NoteFull(RelayPort port, PortInbox inbox)
    {
        if (inbox.IsFull && !_fullInboxes.Exists(f => ReferenceEquals(f.Inbox, inbox)))
        {
            _fullInboxes.Add((port, inbox));
        }
    }

    /// <summary>Receive thread, outside the lock: nothing more is read from the relay until slow readers have made room or lost their ports.</summary>
    private void WaitForReaders()
    {
        if (_fullInboxes.Count == 0)
        {
            return;
        }

        foreach ((RelayPort port, PortInbox inbox) in _fullInboxes)
        {
            if (!inbox.WaitForRoom(PortInbox.Patience))
            {
                Log.SlowReader(_logger, port.Device.ToString());
                inbox.Fail();
                ClosePort(port);
            }
        }

        _fullInboxes.Clear();
    }
}
