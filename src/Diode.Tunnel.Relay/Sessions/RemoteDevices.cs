using System.Text;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Relay.Accounting;
using Diode.Tunnel.Relay.RelayPeers;

namespace Diode.Tunnel.Relay.Sessions;

/// <summary>
/// What other relays may ask of the devices that are connected to this one. Anybody can run a relay, and devices decide by
/// the opener's address: so a relay may only speak for a device whose own ticket names it.
/// </summary>
internal sealed class RemoteDevices(RelayCore core) : IRemoteDevices
{
    /// <inheritdoc/>
    public bool DeliverMessage(Address device, ReadOnlySpan<byte> payload, ReadOnlySpan<byte> metadata)
    {
        return core.DeliverMessage(device, payload, metadata);
    }

    /// <inheritdoc/>
    public string OpenPort(
        IRemotePort port, Address device, Address opener, ReadOnlySpan<byte> name, long nowMs, out IRemotePortEnd? end)
    {
        end = null;
        if (core.Directory.FindOldest(device) is not RelaySession target)
        {
            core.Counters.PortOpenRefused();
            return "not found";
        }

        // Real relays name the target as the opener: that claims nothing.
        if (opener == device)
        {
            return Count(core.Ports.OpenForRemote(target, port, opener, name, nowMs, out end));
        }

        if (core.Network is not IObjectNetwork network)
        {
            core.Counters.PortOpenRefused();
            return "invalid ticket";
        }

        var later = new LaterEnd();
        end = later;
        _ = OpenLaterAsync(network, port, later, target, opener, name.ToArray(), nowMs);
        return "";
    }

    private async Task OpenLaterAsync(
        IObjectNetwork network,
        IRemotePort port,
        LaterEnd later,
        RelaySession target,
        Address opener,
        byte[] name,
        long nowMs)
    {
        string refusal = "unexpected error";
        try
        {
            byte[]? found = await network.FindObjectAsync(opener.ToArray(), CancellationToken.None).ConfigureAwait(false);
            IRemotePortEnd? end = null;
            refusal = IsOpenerOf(found, opener, port.Relay, nowMs)
                ? Count(core.Ports.OpenForRemote(target, port, opener, name, nowMs, out end))
                : Count("invalid ticket");
            if (end is not null)
            {
                later.Set(end);
            }
        }
        catch (Exception)
        {
            // A bug of ours: shows up in the counter, and the other relay is answered.
            core.Counters.InternalError();
        }

        if (refusal.Length > 0)
        {
            port.Refuse(Encoding.ASCII.GetBytes(refusal));
        }
    }

    // Signed by the device, for that relay, in this epoch or the one before.
    private bool IsOpenerOf(byte[]? found, Address opener, Address relay, long nowMs)
    {
        if (found is null || !Ticket.TryReadObject(found, out Ticket? ticket) || ticket.Server != relay)
        {
            return false;
        }

        if (ticket is TicketV1 first)
        {
            return core.FindBlockHash(AccountingRules.DiodeChainId, first.BlockNumber) is Hash256 hash
                && (first with { BlockHash = hash }).IsSignedBy(opener);
        }

        return ticket.Epoch + 1 >= AccountingRules.GetWallEpoch(nowMs) && ticket.IsSignedBy(opener);
    }

    private string Count(string refusal)
    {
        if (refusal.Length == 0)
        {
            core.Counters.PortOpened();
        }
        else
        {
            core.Counters.PortOpenRefused();
        }

        return refusal;
    }

    /// <summary>The end of a port while its opener is looked up: there is no data yet, only an end.</summary>
    private sealed class LaterEnd : IRemotePortEnd
    {
        private readonly Lock _gate = new();
        private IRemotePortEnd? _end;
        private bool _closed;

        public void Set(IRemotePortEnd end)
        {
            lock (_gate)
            {
                _end = end;
                if (!_closed)
                {
                    return;
                }
            }

            end.OnClosed();
        }

        public void OnOpened(IRemotePort port)
        {
            // Only the opener's side hears this.
        }

        public void OnFailed(ReadOnlySpan<byte> reason)
        {
            // Only the opener's side hears this.
        }

        public PortSendStatus OnData(ReadOnlySpan<byte> data, IFrameOutboxWaiter waiter, long nowMs)
        {
            return Volatile.Read(ref _end)?.OnData(data, waiter, nowMs) ?? PortSendStatus.NoPort;
        }

        public void OnClosed()
        {
            IRemotePortEnd? end;
            lock (_gate)
            {
                _closed = true;
                end = _end;
            }

            end?.OnClosed();
        }
    }
}
