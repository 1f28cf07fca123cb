using System.Collections.Concurrent;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Relay.RelayPeers;
using Diode.Tunnel.Relay.Sessions;

namespace Diode.Tunnel.Relay.Ports;

/// <summary>
/// All ports of the relay. Opening and closing take one lock; sending takes none of this table: it looks the sender's
/// ref up and writes into the outbox of the receiver.
/// </summary>
internal sealed partial class PortTable
{
    /// <summary>A target with more unanswered opens than this is not asked again (<c>port_collection.ex</c>).</summary>
    private const int MaxHanging = 5;

    private const int MaxNameLength = 1024;
    private const long AnswerTimeoutMs = 35_000;

    private readonly Lock _gate = new();
    private readonly ConcurrentDictionary<PortKey, PortEnd> _ends = new();
    private readonly LinkedList<RelayPort> _pending = new();
    private readonly Func<uint> _nextRef;
    private readonly int _maxPerSession;
    private readonly RelayCounters _counters;

    /// <summary>Creates an empty table.</summary>
    /// <param name="nextRef">Random numbers between 65,536 and 2^31 − 1; repeats are skipped.</param>
    /// <param name="maxPerSession">Ports one session may have, both ways.</param>
    /// <param name="counters">Counts datagrams that found no room.</param>
    public PortTable(Func<uint> nextRef, int maxPerSession, RelayCounters counters)
    {
        _counters = counters;
        _nextRef = nextRef;
        _maxPerSession = maxPerSession;
    }

    /// <summary>Ends of all ports, open or pending.</summary>
    public int Count => _ends.Count;

    /// <summary>
    /// Asks <paramref name="target"/> for a port, or attaches to one it shares. Empty text: the answer comes later or
    /// was given; otherwise the error for the opener.
    /// </summary>
    public ReadOnlySpan<byte> Open(
        RelaySession opener, RelaySession target, in RequestId id, ReadOnlySpan<byte> name, PortFlags flags, long nowMs)
    {
        if (!TryTrimName(ref name))
        {
            return "invalid port"u8;
        }

        lock (_gate)
        {
            if (opener.Ports.Count >= _maxPerSession || target.Ports.Count >= _maxPerSession)
            {
                return "too many open ports"u8;
            }

            if (opener.IsClosed || target.IsClosed)
            {
                return "not found"u8;
            }

            if (target.HangingOpens > MaxHanging)
            {
                return "too many hanging ports"u8;
            }

            uint portRef = NextRefLocked(opener, target);
            Trace(flags.Traced ? opener : null, opener, "received portopen for", portRef, nowMs);
            if (flags.Shared && FindShared(target, name) is RelayPort shared)
            {
                AttachLocked(shared, opener, portRef, flags);
                opener.Edge.ReplyPortOpened(id, portRef);
                return default;
            }

            var port = new RelayPort(name.ToArray(), flags.Shared)
            {
                OpenRequest = id,
                AnswerUntilMs = nowMs + AnswerTimeoutMs,
            };
            port.Target = AddLocked(target, portRef, port, canSend: true, canReceive: true);
            port.Openers = [AddLocked(opener, portRef, port, flags.Write, flags.Read)];
            port.Traced = flags.Traced ? port.Openers[0] : null;
            AskLocked(port, opener.Device);
            return default;
        }
    }

    /// <summary>The target agreed; anything unexpected is ignored.</summary>
    public void Confirm(RelaySession target, uint portRef)
    {
        lock (_gate)
        {
            if (TryFindPending(target, portRef, out RelayPort? port))
            {
                EndPendingLocked(port);
                port.IsOpen = true;
                if (port.Remote is IRemotePort remote)
                {
                    remote.Confirm();
                    return;
                }

                PortEnd opener = port.Openers[0];
                opener.Session.Edge.ReplyPortOpened(port.OpenRequest, opener.Ref);
            }
        }
    }

    /// <summary>The target refused; anything unexpected is ignored.</summary>
    public void Deny(RelaySession target, uint portRef, ReadOnlySpan<byte> reason)
    {
        lock (_gate)
        {
            if (TryFindPending(target, portRef, out RelayPort? port))
            {
                FailPendingLocked(port, reason);
            }
        }
    }

    /// <summary>Carries data to the other end. No lock, no allocation.</summary>
    public PortSendStatus Send(RelaySession sender, uint portRef, ReadOnlySpan<byte> data, long nowMs)
    {
        if (!_ends.TryGetValue(new PortKey(sender.Id, portRef), out PortEnd? end) || !end.Port.IsOpen)
        {
            return PortSendStatus.NoPort;
        }

        RelayPort port = end.Port;
        if (!end.CanSend)
        {
            return PortSendStatus.Accepted;
        }

        if (port.Remote is IRemotePort remote)
        {
            return remote.Send(data, sender.Waiter, nowMs);
        }

        PortEnd[] openers = port.Openers;
        PortSendStatus status;
        if (end.IsTarget)
        {
            status = openers.Length == 1
                ? DeliverIfReading(openers[0], data, sender, nowMs)
                : Broadcast(openers, end, data, sender, nowMs);
        }
        else
        {
            status = port.IsChannel
                ? Broadcast(openers, end, data, sender, nowMs)
                : Deliver(port.Target!, data, sender, nowMs);
        }

        if (port.Traced is PortEnd traced && status == PortSendStatus.Accepted)
        {
            Trace(traced.Session, sender, "recv portsend from", portRef, nowMs);
        }

        return status;
    }

    /// <summary>One end leaves; false when it has no such open port.</summary>
    public bool Close(RelaySession session, uint portRef)
    {
        lock (_gate)
        {
            if (!_ends.TryGetValue(new PortKey(session.Id, portRef), out PortEnd? end) || !end.Port.IsOpen)
            {
                return false;
            }

            LeaveLocked(end);
            return true;
        }
    }

    /// <summary>A session is gone: all its ports close.</summary>
    public void CloseAll(RelaySession session)
    {
        lock (_gate)
        {
            foreach (PortEnd end in session.Ports.ToArray())
            {
                if (end.Port.IsPending)
                {
                    AbandonLocked(end);
                }
                else
                {
                    LeaveLocked(end);
                }
            }
        }
    }

    /// <summary>Answers opens whose target stayed silent for 35 s.</summary>
    public void Tick(long nowMs)
    {
        lock (_gate)
        {
            while (_pending.First is { } first && first.Value.AnswerUntilMs <= nowMs)
            {
                FailPendingLocked(first.Value, "unknown"u8);
            }
        }
    }

    // The relay carries names as numbers: leading zeros vanish, and 0 would crash Go clients (diode-edge §3.6).
    private static bool TryTrimName(ref ReadOnlySpan<byte> name)
    {
        name = name.TrimStart((byte)0);
        return !name.IsEmpty && name.Length <= MaxNameLength;
    }

    private PortSendStatus Deliver(PortEnd to, ReadOnlySpan<byte> data, RelaySession sender, long nowMs)
    {
        FrameOutboxResult result = to.Port.CarriesDatagrams
            ? to.Session.Edge.TrySendDatagrams(to.Ref, data, to.Port.MayDrop(data), sender.Waiter, nowMs)
            : to.Session.Edge.TrySendPortData(to.Ref, data, sender.Waiter, nowMs);
        if (result == FrameOutboxResult.Dropped)
        {
            _counters.DatagramsRefused();
        }

        return result == FrameOutboxResult.Full ? PortSendStatus.Blocked : PortSendStatus.Accepted;
    }

    private PortSendStatus DeliverIfReading(
        PortEnd to, ReadOnlySpan<byte> data, RelaySession sender, long nowMs)
    {
        return to.CanReceive ? Deliver(to, data, sender, nowMs) : PortSendStatus.Accepted;
    }

    // All or nothing, so that a second try does not repeat data. Between the check and the write another sender can
    // fill an outbox; the frame then takes one more try for nobody but uses no more than the outbox allows.
    private static PortSendStatus Broadcast(
        PortEnd[] openers, PortEnd from, ReadOnlySpan<byte> data, RelaySession sender, long nowMs)
    {
        foreach (PortEnd opener in openers)
        {
            if (opener.CanReceive
                && !ReferenceEquals(opener, from)
                && opener.Session.Edge.Output.CheckRoom(sender.Waiter, nowMs) == FrameOutboxResult.Full)
            {
                return PortSendStatus.Blocked;
            }
        }

        foreach (PortEnd opener in openers)
        {
            if (opener.CanReceive && !ReferenceEquals(opener, from))
            {
                opener.Session.Edge.SendPortData(opener.Ref, data);
            }
        }

        return PortSendStatus.Accepted;
    }

    private static RelayPort? FindShared(RelaySession target, ReadOnlySpan<byte> name)
    {
        foreach (PortEnd end in target.Ports)
        {
            if (end.IsTarget && end.Port.IsShared && end.Port.IsOpen && end.Port.Remote is null && name.SequenceEqual(end.Port.Name))
            {
                return end.Port;
            }
        }

        return null;
    }

    private void AttachLocked(RelayPort port, RelaySession opener, uint portRef, PortFlags flags)
    {
        port.Openers = [.. port.Openers, AddLocked(opener, portRef, port, flags.Write, flags.Read)];
    }

    // The target gets the name without flags and answers with the ref.
    private void AskLocked(RelayPort port, Address opener)
    {
        PortEnd target = port.Target!;
        target.Session.HangingOpens++;
        port.PendingNode = _pending.AddLast(port);
        target.Session.Edge.SendPortOpen(port.Name, target.Ref, opener);
    }

    // Names in traces are address and host, as real relays write them; the host only of the one who is told.
    private static void Trace(RelaySession? to, RelaySession where, string what, uint portRef, long nowMs)
    {
        if (to is not null)
        {
            string name = ReferenceEquals(to, where) ? $"{where.Device}@{to.PeerHost}" : where.Device.ToString();
            to.Edge.SendTrace(nowMs, name, $"{what} 0x{portRef:x8}");
        }
    }

    private bool TryFindPending(
        RelaySession target, uint portRef, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out RelayPort? port)
    {
        bool found = _ends.TryGetValue(new PortKey(target.Id, portRef), out PortEnd? end)
            && end.IsTarget && end.Port.IsPending;
        port = found ? end!.Port : null;
        return found;
    }

    private void EndPendingLocked(RelayPort port)
    {
        _pending.Remove(port.PendingNode!);
        port.PendingNode = null;
        if (port.Target is PortEnd target)
        {
            target.Session.HangingOpens--;
        }
        else
        {
            port.Openers[0].Session.RemoteOpens--;
        }
    }

    private void FailPendingLocked(RelayPort port, ReadOnlySpan<byte> reason)
    {
        EndPendingLocked(port);
        foreach (PortEnd opener in port.Openers)
        {
            opener.Session.Edge.ReplyError(port.OpenRequest, reason);
            RemoveLocked(opener);
        }

        if (port.Target is PortEnd target)
        {
            port.Remote?.Refuse(reason);
            RemoveLocked(target);
        }
    }

    // A session left while the target had not answered.
    private void AbandonLocked(PortEnd end)
    {
        RelayPort port = end.Port;
        if (end.IsTarget)
        {
            FailPendingLocked(port, "unknown"u8);
            return;
        }

        EndPendingLocked(port);
        RemoveLocked(end);
        if (port.Target is PortEnd target)
        {
            // The target may be dialling already: tell it, so that its later answer is not taken for an open port.
            RemoveLocked(target);
            target.Session.Edge.SendPortClose(target.Ref);
        }
    }

    private void LeaveLocked(PortEnd end)
    {
        RelayPort port = end.Port;
        RemoveLocked(end);
        if (port.Remote is IRemotePort remote)
        {
            port.IsOpen = false;
            remote.Close();
            return;
        }

        if (end.IsTarget)
        {
            port.IsOpen = false;
            foreach (PortEnd opener in port.Openers)
            {
                RemoveLocked(opener);
                opener.Session.Edge.SendPortClose(opener.Ref);
            }

            return;
        }

        port.Openers = Array.FindAll(port.Openers, other => !ReferenceEquals(other, end));
        if (port.Openers.Length == 0 && port.Target is PortEnd target)
        {
            port.IsOpen = false;
            RemoveLocked(target);
            target.Session.Edge.SendPortClose(target.Ref);
        }
    }

    private PortEnd AddLocked(RelaySession session, uint portRef, RelayPort port, bool canSend, bool canReceive)
    {
        var end = new PortEnd(session, portRef, port, canSend, canReceive);
        _ends[new PortKey(session.Id, portRef)] = end;
        session.Ports.Add(end);
        return end;
    }

    private void RemoveLocked(PortEnd end)
    {
        _ends.TryRemove(new PortKey(end.Session.Id, end.Ref), out _);
        end.Session.Ports.Remove(end);
    }

    private uint NextRefLocked(RelaySession one, RelaySession? other)
    {
        while (true)
        {
            uint candidate = _nextRef();
            if (!_ends.ContainsKey(new PortKey(one.Id, candidate))
                && (other is null || !_ends.ContainsKey(new PortKey(other.Id, candidate))))
            {
                return candidate;
            }
        }
    }

    private readonly record struct PortKey(long Session, uint Ref);
}
