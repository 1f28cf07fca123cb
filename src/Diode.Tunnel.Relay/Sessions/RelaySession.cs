using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Rlp;
using Diode.Tunnel.Relay.Accounting;
using Diode.Tunnel.Relay.Ports;

namespace Diode.Tunnel.Relay.Sessions;

/// <summary>
/// One authenticated session: the relay's decisions behind an <see cref="EdgeServerSession"/>. Still without I/O.
/// Requests come from the thread that runs the session; <see cref="Tick"/> and <see cref="OnUsage"/> from any.
/// </summary>
internal sealed partial class RelaySession : IEdgeServerHandler
{
    private const int ChannelKeyLength = 32;
    private const ulong TicketRequestsAbove = 1000;
    private const ulong ResettingVersion = 1000;

    // A ticket costs most of a millisecond of signature work; clients need a handful at the start and then one per
    // 31 MB or 8 hours.
    private const int TicketBurst = 64;
    private const int TicketsPerSecond = 8;

    // Name and flags are passed on as they are.
    private const int MaxPhysicalText = 1024;

    private readonly RelayCore _core;
    private readonly IRelayLink _link;
    private readonly Lock _ticketGate = new();
    private TokenBucket _ticketBudget = new(TicketBurst, TicketsPerSecond);
    private long _deadlineMs;
    private long _acceptedMs;
    private long _requestedMs;
    private volatile bool _closed;

    public RelaySession(RelayCore core, long id, DeviceAccount account, IRelayLink link, long nowMs)
    {
        _core = core;
        _link = link;
        Id = id;
        Account = account;
        Edge = new EdgeServerSession(core.Limits.Session, this, link, link);
        _deadlineMs = nowMs + AccountingRules.DeadlineMs;
        _requestedMs = nowMs;
    }

    public long Id { get; }

    public Address Device => Account.Device;

    public DeviceAccount Account { get; }

    public EdgeServerSession Edge { get; }

    public IFrameOutboxWaiter Waiter => _link;

    public bool IsClosed => _closed;

    /// <summary>Ends this session has; under the lock of the <see cref="PortTable"/>.</summary>
    public HashSet<PortEnd> Ports { get; } = [];

    /// <summary>Opens this session was asked for and did not answer; under the lock of the <see cref="PortTable"/>.</summary>
    public int HangingOpens { get; set; }

    /// <summary>Physical ports this session was offered and did not answer; under the lock of their table.</summary>
    public int UnansweredPhysicalPorts { get; set; }

    /// <summary>Marks the session dead for those who hold it. Called by the core once.</summary>
    public void MarkClosed()
    {
        _closed = true;
    }

    /// <summary>Ends the session from outside of its own thread.</summary>
    public void Close(CloseReason reason)
    {
        _link.Close(reason);
    }

    /// <summary>
    /// Asks for a ticket when one is due, and says why the session must end, if it must. Called several times a
    /// second, and after input was handled.
    /// </summary>
    public CloseReason Tick(long nowMs)
    {
        long blockedSince = Edge.Output.BlockedSince;
        if (blockedSince != 0 && nowMs - blockedSince >= _core.SlowReaderMs)
        {
            _core.Counters.SlowReaderCut();
            return CloseReason.SlowReader;
        }

        lock (_ticketGate)
        {
            if (_deadlineMs != 0)
            {
                // A ticket that another session of the device handed in pays for this one too, but every session
                // has to hand in one of its own after it was accepted.
                if (_acceptedMs != 0 && Account.LastAcceptedMs >= _requestedMs)
                {
                    _deadlineMs = 0;
                }
                else if (nowMs >= _deadlineMs)
                {
                    _core.Counters.TicketDeadline();
                    return CloseReason.NoTicket;
                }
            }
            else if (Account.Unpaid > AccountingRules.RequestThreshold
                || nowMs - Math.Max(_acceptedMs, Account.LastAcceptedMs) >= AccountingRules.RenewAfterMs)
            {
                RequestTicketLocked(nowMs);
            }
        }

        return CloseReason.None;
    }

    /// <inheritdoc/>
    public void OnUsage(int bytes)
    {
        Account.Add(bytes);
    }

    /// <inheritdoc/>
    public void OnHello(ulong version, long nowMs)
    {
        if (version <= TicketRequestsAbove)
        {
            return;
        }

        lock (_ticketGate)
        {
            RequestTicketLocked(nowMs);
        }
    }

    /// <inheritdoc/>
    public void OnTicket(in RequestId id, in TicketSubmission ticket, long nowMs)
    {
        if (!_ticketBudget.TryTake(nowMs))
        {
            _core.Counters.TicketRefused();
            Edge.ReplyError(id, "too many tickets"u8);
            return;
        }

        bool resetsUsage = Edge.Version == ResettingVersion && _acceptedMs == 0;
        TicketVerdict verdict = _core.Tickets.Judge(Account, ticket, resetsUsage, nowMs);
        if (verdict.Kind == TicketVerdictKind.Accepted)
        {
            _core.Counters.TicketAccepted();
            lock (_ticketGate)
            {
                _acceptedMs = Math.Max(nowMs, 1);
                _deadlineMs = 0;
            }
        }
        else
        {
            _core.Counters.TicketRefused();
        }

        if (verdict.Kind == TicketVerdictKind.Refused)
        {
            Edge.ReplyError(id, verdict.Error);
            return;
        }

        var writer = new RlpWriter();
        verdict.WriteReply(writer);
        Edge.ReplyEncoded(id, writer.WrittenSpan);
    }

    /// <inheritdoc/>
    public void OnBytes(in RequestId id, long nowMs)
    {
        Edge.ReplyText(id, SignedInteger.Encode(Account.Unpaid));
    }

    /// <inheritdoc/>
    public void OnVersion(in RequestId id)
    {
        Edge.ReplyEncoded(id, _core.VersionReply);
    }

    /// <inheritdoc/>
    public void OnGetObject(in RequestId id, ReadOnlySpan<byte> key, long nowMs)
    {
        if (Address.TryRead(key, out Address address))
        {
            if (address == _core.Address)
            {
                Edge.ReplyEncoded(id, _core.GetServerObject(nowMs));
                return;
            }

            if (_core.Tickets.Find(address) is Ticket ticket)
            {
                var writer = new RlpWriter();
                ticket.WriteObject(writer);
                Edge.ReplyEncoded(id, writer.WrittenSpan);
                return;
            }
        }

        Edge.ReplyText(id, default);
    }

    /// <inheritdoc/>
    public void OnGetNode(in RequestId id, ReadOnlySpan<byte> key, long nowMs)
    {
        if (Address.TryRead(key, out Address address) && address == _core.Address)
        {
            Edge.ReplyEncoded(id, _core.GetServerObject(nowMs));
            return;
        }

        Edge.ReplyText(id, default);
    }

    /// <inheritdoc/>
    public void OnGetNodes(in RequestId id, ReadOnlySpan<byte> key, long nowMs)
    {
        // The answering node is never in its own list, and others are not known.
        Edge.ReplyEncoded(id, [0xc0]);
    }

    /// <inheritdoc/>
    public void OnIsOnline(in RequestId id, ReadOnlySpan<byte> key)
    {
        // A real relay dies of this command; the boolean is sent as the number 1 or 0.
        bool online = Address.TryRead(key, out Address device) && _core.Directory.FindOldest(device) is not null;
        Edge.ReplyText(id, online ? [1] : default);
    }

    /// <inheritdoc/>
    public void OnMessage(ReadOnlySpan<byte> device, ReadOnlySpan<byte> payload, ReadOnlySpan<byte> metadata)
    {
        if (!Address.TryRead(device, out Address address) || address == Device)
        {
            return;
        }

        foreach (RelaySession session in _core.Directory.FindAll(address))
        {
            session.Edge.SendMessage(payload, metadata);
        }
    }

    /// <inheritdoc/>
    public void OnPortOpen(
        in RequestId id, ReadOnlySpan<byte> device, ReadOnlySpan<byte> port, ReadOnlySpan<byte> flags, long nowMs)
    {
        ReadOnlySpan<byte> error = TryOpen(id, device, port, flags, nowMs);
        if (error.IsEmpty)
        {
            _core.Counters.PortOpened();
        }
        else
        {
            _core.Counters.PortOpenRefused();
            Edge.ReplyError(id, error);
        }
    }

    /// <inheritdoc/>
    public void OnPortConfirmed(uint portRef, long nowMs)
    {
        // Physical ports and refs, which begin above them, are answered alike.
        if (portRef > ushort.MaxValue || !_core.PhysicalPorts.Confirm(this, (ushort)portRef, nowMs))
        {
            _core.Ports.Confirm(this, portRef);
        }
    }

    /// <inheritdoc/>
    public void OnPortDenied(uint portRef, ReadOnlySpan<byte> reason)
    {
        if (portRef > ushort.MaxValue || !_core.PhysicalPorts.Deny(this, (ushort)portRef))
        {
            _core.Ports.Deny(this, portRef, reason);
        }
    }

    /// <inheritdoc/>
    public PortSendStatus OnPortSend(uint portRef, ReadOnlySpan<byte> data, long nowMs)
    {
        PortSendStatus status = _core.Ports.Send(this, portRef, data, nowMs);
        if (status == PortSendStatus.Accepted)
        {
            _core.Counters.Relayed(data.Length);
        }
        else if (status == PortSendStatus.Blocked)
        {
            _core.Counters.Throttled();
        }

        return status;
    }

    /// <inheritdoc/>
    public bool OnPortClose(uint portRef)
    {
        return _core.Ports.Close(this, portRef);
    }

    /// <inheritdoc/>
    public void OnPortOpen2(
        in RequestId id, ReadOnlySpan<byte> device, ReadOnlySpan<byte> port, ReadOnlySpan<byte> flags, long nowMs)
    {
        ReadOnlySpan<byte> error = TryOpenPhysical(id, device, port, flags, nowMs);
        if (error.IsEmpty)
        {
            _core.Counters.PhysicalPortOpened();
        }
        else
        {
            _core.Counters.PortOpenRefused();
            Edge.ReplyError(id, error);
        }
    }

    /// <inheritdoc/>
    public void OnPortClose2(ushort physicalPort)
    {
        _core.PhysicalPorts.Close(Device, physicalPort);
    }

    private ReadOnlySpan<byte> TryOpenPhysical(
        in RequestId id, ReadOnlySpan<byte> device, ReadOnlySpan<byte> port, ReadOnlySpan<byte> flags, long nowMs)
    {
        if (!Address.TryRead(device, out Address address))
        {
            return "invalid device id"u8;
        }

        if (address == Device)
        {
            return "can't connect to yourself"u8;
        }

        if (port.Length + flags.Length > MaxPhysicalText)
        {
            return "invalid port"u8;
        }

        return _core.Directory.FindOldest(address) is RelaySession target
            ? _core.PhysicalPorts.Open(this, target, id, port, flags, nowMs)
            : System.Text.Encoding.ASCII.GetBytes($"No listener found for device address {address}");
    }

    // The order of the checks decides which text a request with several faults gets (diode-edge §3.6).
    private ReadOnlySpan<byte> TryOpen(
        in RequestId id, ReadOnlySpan<byte> device, ReadOnlySpan<byte> port, ReadOnlySpan<byte> flagText, long nowMs)
    {
        bool isDevice = Address.TryRead(device, out Address address);
        if (isDevice && address == Device)
        {
            return "can't connect to yourself"u8;
        }

        if (!PortFlags.TryParse(flagText, out PortFlags flags))
        {
            return "invalid flags"u8;
        }

        if (!isDevice)
        {
            // 32 bytes name a channel, and there are none.
            return device.Length == ChannelKeyLength ? "not found"u8 : "invalid device id"u8;
        }

        RelaySession? target = _core.Directory.FindOldest(address);
        return target is null ? "not found"u8 : _core.Ports.Open(this, target, id, port, flags, nowMs);
    }

    // A deadline that runs is kept, however often the peer says hello.
    private void RequestTicketLocked(long nowMs)
    {
        if (_deadlineMs == 0)
        {
            _requestedMs = nowMs;
            _deadlineMs = nowMs + AccountingRules.DeadlineMs;
        }

        if (Edge.Version > TicketRequestsAbove)
        {
            Edge.SendTicketRequest((ulong)Math.Max(Account.Usage, 0));
        }
    }
}
