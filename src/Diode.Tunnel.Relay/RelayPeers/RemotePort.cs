using System.Buffers;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Relay.RelayPeers;

/// <summary>
/// A port on a link between relays, the same on both sides once it is open. Between relays of this kind a port has a
/// window: the receiver tells what reached its device, and no more than <see cref="PeerLimits.PortWindow"/> bytes are
/// under way, so a slow device holds up neither the link nor the memory. A relay that knows no windows gets none; what it
/// sends faster than the device reads closes the port.
/// </summary>
/// <remarks>
/// The lock of a port is taken under those of port tables and takes only that of an outbox. Our end is called without any
/// lock, by whoever set <c>_pumping</c>.
/// </remarks>
internal sealed class RemotePort : IRemotePort, IFrameOutboxWaiter, IThreadPoolWorkItem
{
    private const int AcknowledgeEvery = PeerLimits.PortWindow / 4;

    private readonly Lock _gate = new();
    private readonly PeerSession _session;
    private readonly bool _hasWindow;
    private readonly Queue<byte[]> _held = [];
    private List<IFrameOutboxWaiter>? _waiters;
    private IRemotePortEnd? _end;
    private RemotePortState _state;
    private long _credit;
    private int _heldBytes;
    private int _unacknowledged;
    private long _nowMs;
    private bool _pumping;
    private bool _roomAgain;
    private bool _tellsEnd;

    /// <summary>Creates a port that waits for an answer.</summary>
    /// <param name="session">The link.</param>
    /// <param name="portRef">Its name on the link.</param>
    /// <param name="isOpener">Whether our end asked for it.</param>
    /// <param name="hasWindow">Whether the other relay knows windows.</param>
    /// <param name="end">Our end; that of a target comes later.</param>
    /// <param name="nowMs">The time.</param>
    public RemotePort(
        PeerSession session, ulong portRef, bool isOpener, bool hasWindow, IRemotePortEnd? end, long nowMs)
    {
        _session = session;
        _hasWindow = hasWindow;
        _end = end;
        _nowMs = nowMs;
        _credit = hasWindow ? PeerLimits.PortWindow : long.MaxValue / 2;
        _state = isOpener ? RemotePortState.Opening : RemotePortState.Asked;
        Ref = portRef;
        AnswerUntilMs = nowMs + PeerLimits.PortTimeoutMs;
    }

    /// <summary>Its name on the link.</summary>
    public ulong Ref { get; }

    /// <summary>When it must be answered.</summary>
    public long AnswerUntilMs { get; }

    /// <summary>Whether our end asked and got no answer yet.</summary>
    public bool IsOpening => _state == RemotePortState.Opening;

    /// <inheritdoc/>
    public Address Relay => _session.Peer;

    /// <inheritdoc/>
    public void Confirm()
    {
        lock (_gate)
        {
            if (_state == RemotePortState.Asked)
            {
                _state = RemotePortState.Open;
                _session.AnswerPort(Ref, default);
            }
        }
    }

    /// <inheritdoc/>
    public void Refuse(ReadOnlySpan<byte> reason)
    {
        lock (_gate)
        {
            if (_state != RemotePortState.Asked)
            {
                return;
            }

            _state = RemotePortState.Over;
            _session.AnswerPort(Ref, reason.IsEmpty ? "unknown"u8 : reason);
        }

        _session.Forget(this);
    }

    /// <inheritdoc/>
    public PortSendStatus Send(ReadOnlySpan<byte> data, IFrameOutboxWaiter sender, long nowMs)
    {
        lock (_gate)
        {
            if (_state != RemotePortState.Open)
            {
                return PortSendStatus.NoPort;
            }

            if (_credit <= 0)
            {
                _waiters ??= [];
                if (!_waiters.Contains(sender))
                {
                    _waiters.Add(sender);
                }

                return PortSendStatus.Blocked;
            }

            ReadOnlySpan<byte> first = data[..Math.Min(data.Length, PortFrame.MaxData)];
            byte[] frame = PortFrame.Rent(Ref, first, out int length);
            FrameOutboxResult result = _session.Output.TryWriteData(frame.AsSpan(0, length), default, sender, nowMs);
            ArrayPool<byte>.Shared.Return(frame);
            if (result == FrameOutboxResult.Queued && data.Length > first.Length)
            {
                // The rest must follow its beginning, so it may use the reserve.
                frame = PortFrame.Rent(Ref, data[first.Length..], out length);
                _ = _session.Output.WriteControl(frame.AsSpan(0, length), default);
                ArrayPool<byte>.Shared.Return(frame);
            }

            if (result != FrameOutboxResult.Queued)
            {
                return result == FrameOutboxResult.Full ? PortSendStatus.Blocked : PortSendStatus.NoPort;
            }

            _credit -= data.Length;
            _session.CountPortBytes(data.Length);
            return PortSendStatus.Accepted;
        }
    }

    /// <inheritdoc/>
    public void Close()
    {
        List<IFrameOutboxWaiter>? wake;
        lock (_gate)
        {
            if (_state == RemotePortState.Over)
            {
                return;
            }

            EndLocked();
            _session.TellPortClosed(Ref);
            wake = TakeWaitersLocked();
        }

        _session.Forget(this);
        wake?.ForEach(waiter => waiter.OnOutboxRoom());
    }

    /// <summary>A slow device has room again. Schedules only.</summary>
    void IFrameOutboxWaiter.OnOutboxRoom()
    {
        lock (_gate)
        {
            _roomAgain = true;
            if (_pumping)
            {
                return;
            }

            _pumping = true;
        }

        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    void IThreadPoolWorkItem.Execute()
    {
        Pump();
    }

    /// <summary>The target's end, as soon as it is known. Reader only.</summary>
    public void SetEnd(IRemotePortEnd end)
    {
        bool isOver;
        lock (_gate)
        {
            _end = end;
            isOver = _state == RemotePortState.Over;
        }

        if (isOver)
        {
            // The link went down while the device was asked.
            end.OnClosed();
        }
    }

    /// <summary>The other relay answered. Reader, or timer with a refusal.</summary>
    public void OnAnswer(bool opened, ReadOnlySpan<byte> reason)
    {
        lock (_gate)
        {
            if (_state != RemotePortState.Opening)
            {
                return;
            }

            _state = opened ? RemotePortState.Open : RemotePortState.Over;
        }

        if (opened)
        {
            _end!.OnOpened(this);
            return;
        }

        _session.Forget(this);
        _end!.OnFailed(reason);
    }

    /// <summary>Data for our end. Reader only; false when the other relay ignores the window.</summary>
    public bool OnData(ReadOnlySpan<byte> data, long nowMs)
    {
        lock (_gate)
        {
            _nowMs = nowMs;
            if (_state != RemotePortState.Open || data.IsEmpty)
            {
                return true;
            }

            if (_pumping || _held.Count > 0)
            {
                return TryHoldLocked(data);
            }

            _pumping = true;
            _roomAgain = false;
        }

        PortSendStatus status = _end!.OnData(data, this, nowMs);
        bool fits = true;
        if (status == PortSendStatus.NoPort)
        {
            Close();
        }
        else
        {
            lock (_gate)
            {
                if (status == PortSendStatus.Accepted)
                {
                    AcknowledgeLocked(data.Length);
                }
                else if (_state == RemotePortState.Open)
                {
                    fits = TryHoldLocked(data);
                }
            }
        }

        Pump();
        return fits;
    }

    /// <summary>The other relay told what reached its device.</summary>
    public void OnTaken(int count)
    {
        List<IFrameOutboxWaiter>? wake = null;
        lock (_gate)
        {
            _credit = Math.Min(_credit + count, _hasWindow ? PeerLimits.PortWindow : long.MaxValue / 2);
            if (_credit > 0)
            {
                wake = TakeWaitersLocked();
            }
        }

        wake?.ForEach(waiter => waiter.OnOutboxRoom());
    }

    /// <summary>The other end closed the port, or the link is down: what is held is still delivered, then our end hears of it.</summary>
    public void OnClosed(ReadOnlySpan<byte> reason)
    {
        List<IFrameOutboxWaiter>? wake;
        bool opening;
        lock (_gate)
        {
            opening = _state == RemotePortState.Opening;
            if (_state == RemotePortState.Over)
            {
                return;
            }

            _tellsEnd = !opening;
            _state = opening ? RemotePortState.Over : RemotePortState.Ending;
            wake = TakeWaitersLocked();
            if (!opening && _pumping)
            {
                wake?.ForEach(waiter => waiter.OnOutboxRoom());
                return;
            }

            _pumping = true;
        }

        wake?.ForEach(waiter => waiter.OnOutboxRoom());
        if (opening)
        {
            _session.Forget(this);
            _end!.OnFailed(reason);
            return;
        }

        Pump();
    }

    // Delivers what is held until our end is full; whoever calls has set _pumping.
    private void Pump()
    {
        while (true)
        {
            byte[]? piece;
            IRemotePortEnd? end;
            bool tells;
            long nowMs;
            lock (_gate)
            {
                _roomAgain = false;
                end = _end;
                nowMs = _nowMs;
                if (!_held.TryPeek(out piece))
                {
                    tells = _tellsEnd && _state == RemotePortState.Ending;
                    _state = tells ? RemotePortState.Over : _state;
                    _pumping = false;
                }
                else
                {
                    tells = false;
                }
            }

            if (piece is null)
            {
                if (tells)
                {
                    _session.Forget(this);
                    end?.OnClosed();
                }

                return;
            }

            PortSendStatus status = end!.OnData(piece, this, nowMs);
            lock (_gate)
            {
                if (status == PortSendStatus.Blocked && !_roomAgain)
                {
                    _pumping = false;
                    return;
                }

                if (status == PortSendStatus.Accepted && _held.Count > 0)
                {
                    ReleaseLocked(_held.Dequeue().Length);
                    AcknowledgeLocked(piece.Length);
                }
            }

            if (status == PortSendStatus.NoPort)
            {
                Close();
            }
        }
    }

    private bool TryHoldLocked(ReadOnlySpan<byte> data)
    {
        // One frame may go beyond the window.
        if (_heldBytes >= PeerLimits.PortWindow + PortFrame.MaxData || !_session.TryHold(data.Length))
        {
            return false;
        }

        _heldBytes += data.Length;
        _held.Enqueue(data.ToArray());
        return true;
    }

    private void ReleaseLocked(int count)
    {
        _heldBytes -= count;
        _session.ReleaseHeld(count);
    }

    private void AcknowledgeLocked(int count)
    {
        _unacknowledged += count;
        if (_hasWindow && _state == RemotePortState.Open && _unacknowledged >= AcknowledgeEvery)
        {
            _session.TellPortTaken(Ref, _unacknowledged);
            _unacknowledged = 0;
        }
    }

    private void EndLocked()
    {
        _state = RemotePortState.Over;
        ReleaseLocked(_heldBytes);
        _held.Clear();
    }

    private List<IFrameOutboxWaiter>? TakeWaitersLocked()
    {
        List<IFrameOutboxWaiter>? taken = _waiters;
        _waiters = null;
        return taken;
    }
}
