using Diode.Tunnel.Edge.Sessions;
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
    private const ulong TicketRequestsAbove = 1000;

    private readonly RelayCore _core;
    private readonly IRelayLink _link;
    private readonly Lock _ticketGate = new();
    private SessionBudget _budget;
    private long _deadlineMs;
    private long _acceptedMs;
    private long _requestedMs;
    private volatile bool _closed;

    public RelaySession(RelayCore core, long id, DeviceAccount account, IRelayLink link, long nowMs)
    {
        _core = core;
        _link = link;
        _budget = new SessionBudget(link.AddressBudget);
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

    /// <summary>Where the device is connected from, for traces.</summary>
    public string PeerHost => _link.PeerHost;

    public bool IsClosed => _closed;

    /// <summary>Ends this session has; under the lock of the <see cref="PortTable"/>.</summary>
    public HashSet<PortEnd> Ports { get; } = [];

    /// <summary>Opens this session was asked for and did not answer; under the lock of the <see cref="PortTable"/>.</summary>
    public int HangingOpens { get; set; }

    /// <summary>Opens this session asked other relays for; under the lock of the <see cref="PortTable"/>.</summary>
    public int RemoteOpens { get; set; }

    /// <summary>Physical ports this session was offered and did not answer; under the lock of their table.</summary>
    public int UnansweredPhysicalPorts { get; set; }

    /// <summary>Marks the session dead for those who hold it. Called by the core once.</summary>
    public void MarkClosed()
    {
        _closed = true;
        Volatile.Read(ref _gone)?.Cancel();
        LeaveChains();
    }

    /// <inheritdoc/>
    public void OnRefused()
    {
        _core.Counters.CommandRefused();
    }

    /// <summary>
    /// The device has a newer session. A device that has moved, or was cut off, cannot close the older one; until that is gone, all ports
    /// are opened to it and nobody answers.
    /// </summary>
    public void CheckAlive()
    {
        _link.CheckAlive();
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
    public void OnIsOnline(in RequestId id, ReadOnlySpan<byte> key)
    {
        // A real relay dies of this command; the boolean is sent as the number 1 or 0.
        bool online = Address.TryRead(key, out Address device) && _core.Directory.FindOldest(device) is not null;
        Edge.ReplyText(id, online ? [1] : default);
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
