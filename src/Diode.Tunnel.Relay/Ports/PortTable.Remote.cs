using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Relay.RelayPeers;
using Diode.Tunnel.Relay.Sessions;

namespace Diode.Tunnel.Relay.Ports;

/// <content>
/// Ports whose other end is on another relay (flag <c>p</c>). The link bounds what is under way; here is only the end of
/// the device that is connected to this relay, so each relay charges its own device.
/// </content>
internal sealed partial class PortTable
{
    /// <summary>Opens one session may be waiting for at other relays: each costs a lookup and perhaps a connection.</summary>
    private const int MaxRemoteOpens = 16;

    /// <summary>Asks the relay of a device that is not connected here. Empty text: the answer comes later.</summary>
    public ReadOnlySpan<byte> OpenRemote(
        RelaySession opener,
        Address target,
        in RequestId id,
        ReadOnlySpan<byte> name,
        PortFlags flags,
        IObjectNetwork network,
        long nowMs)
    {
        if (!TryTrimName(ref name))
        {
            return "invalid port"u8;
        }

        RelayPort port;
        lock (_gate)
        {
            if (opener.Ports.Count >= _maxPerSession)
            {
                return "too many open ports"u8;
            }

            if (opener.RemoteOpens >= MaxRemoteOpens)
            {
                return "too many hanging ports"u8;
            }

            if (opener.IsClosed)
            {
                return "not found"u8;
            }

            port = new RelayPort(name.ToArray(), isShared: false)
            {
                OpenRequest = id,
                AnswerUntilMs = nowMs + AnswerTimeoutMs,
            };
            uint portRef = NextRefLocked(opener, null);
            Trace(flags.Traced ? opener : null, opener, "received portopen for", portRef, nowMs);
            port.Openers = [AddLocked(opener, portRef, port, flags.Write, flags.Read)];
            opener.RemoteOpens++;
            port.PendingNode = _pending.AddLast(port);
        }

        network.OpenRemotePort(target, opener.Device, port.Name, new RemoteEnd(this, port, port.Openers[0]));
        return default;
    }

    /// <summary>Asks a device of this relay for a port on behalf of a device elsewhere.</summary>
    /// <returns>The reason of a refusal; empty when the device was asked.</returns>
    public string OpenForRemote(
        RelaySession target,
        IRemotePort remote,
        Address opener,
        ReadOnlySpan<byte> name,
        long nowMs,
        out IRemotePortEnd? end)
    {
        end = null;
        if (!TryTrimName(ref name))
        {
            return "invalid port";
        }

        lock (_gate)
        {
            if (target.Ports.Count >= _maxPerSession)
            {
                return "too many open ports";
            }

            if (target.IsClosed)
            {
                return "not found";
            }

            if (target.HangingOpens > MaxHanging)
            {
                return "too many hanging ports";
            }

            var port = new RelayPort(name.ToArray(), isShared: false)
            {
                AnswerUntilMs = nowMs + AnswerTimeoutMs,
                Remote = remote,
            };
            port.Target = AddLocked(target, NextRefLocked(target, null), port, canSend: true, canReceive: true);
            end = new RemoteEnd(this, port, port.Target);
            AskLocked(port, opener);
            return "";
        }
    }

    private bool OpenedRemotely(RelayPort port, IRemotePort remote)
    {
        lock (_gate)
        {
            if (!port.IsPending)
            {
                // The opener left, or waited long enough.
                return false;
            }

            EndPendingLocked(port);
            port.Remote = remote;
            port.IsOpen = true;
            PortEnd opener = port.Openers[0];
            opener.Session.Edge.ReplyPortOpened(port.OpenRequest, opener.Ref);
            return true;
        }
    }

    private void FailedRemotely(RelayPort port, ReadOnlySpan<byte> reason)
    {
        lock (_gate)
        {
            if (port.IsPending)
            {
                FailPendingLocked(port, reason);
            }
        }
    }

    private void ClosedRemotely(RelayPort port, PortEnd local)
    {
        lock (_gate)
        {
            if (port.IsPending)
            {
                if (port.Target is null)
                {
                    FailPendingLocked(port, "unknown"u8);
                    return;
                }

                // The opener left before this device answered.
                EndPendingLocked(port);
            }
            else if (!port.IsOpen)
            {
                return;
            }

            port.IsOpen = false;
            RemoveLocked(local);
            local.Session.Edge.SendPortClose(local.Ref);
        }
    }

    private sealed class RemoteEnd(PortTable table, RelayPort port, PortEnd local) : IRemotePortEnd
    {
        public void OnOpened(IRemotePort remote)
        {
            if (!table.OpenedRemotely(port, remote))
            {
                remote.Close();
            }
        }

        public void OnFailed(ReadOnlySpan<byte> reason)
        {
            table.FailedRemotely(port, reason);
        }

        public PortSendStatus OnData(ReadOnlySpan<byte> data, IFrameOutboxWaiter waiter, long nowMs)
        {
            if (!port.IsOpen)
            {
                return PortSendStatus.NoPort;
            }

            if (!local.CanReceive)
            {
                return PortSendStatus.Accepted;
            }

            ReadOnlySpan<byte> first = data[..Math.Min(data.Length, EdgeServerSession.MaxPortData)];
            switch (local.Session.Edge.TrySendPortData(local.Ref, first, waiter, nowMs))
            {
                case FrameOutboxResult.Full:
                    return PortSendStatus.Blocked;
                case FrameOutboxResult.Closed:
                    return PortSendStatus.NoPort;
            }

            // Frames between relays may be longer than those of devices; the rest may use the reserve of the outbox.
            for (data = data[first.Length..]; !data.IsEmpty; data = data[first.Length..])
            {
                first = data[..Math.Min(data.Length, EdgeServerSession.MaxPortData)];
                local.Session.Edge.SendPortData(local.Ref, first);
            }

            return PortSendStatus.Accepted;
        }

        public void OnClosed()
        {
            table.ClosedRemotely(port, local);
        }
    }
}
