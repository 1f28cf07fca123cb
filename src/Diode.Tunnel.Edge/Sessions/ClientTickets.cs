using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Edge.Sessions;

/// <summary>
/// The client's side of paying (reference §3.3, §4.6): decides when a ticket is due and for how much. It pays ahead by the measured
/// rate, so that the relay never has to ask; never signs for much more than this device has moved or signed before, whatever the relay
/// claims; and keeps to the budget. Counting is one comparison; making a ticket is left to the caller.
/// </summary>
internal sealed partial class ClientTickets
{
    public const string UnconfirmedUsage = "the relay claims more usage than this device can confirm";
    public const string BudgetReached = "the traffic budget is used up";

    private const int MaxAttempts = 3;

    /// <summary>
    /// A relay that was restarted takes all that was paid ahead for used. A twentieth of the traffic and 10 MB for each day of the epoch
    /// are let go for that, or a device would have nothing left to sign with after some restarts and be out until the next epoch.
    /// </summary>
    private const ulong GraceDivisor = 20;
    private const ulong EpochGrace = 3 * EdgeLimits.MaxTicketJump;
    private const int MaxEpochOffset = 1;

    /// <summary>Most bytes paid ahead: with the grace of the relay (31 MB) it bridges 100 ms at 1 GB/s, and it stays below one jump.</summary>
    private const ulong MaxHeadroom = 80_000_000;

    /// <summary>Bytes are paid ahead for this long at the measured rate.</summary>
    private const ulong HeadroomMs = 2_000;

    /// <summary>Shortest time a rate is measured over, so that a burst is not taken for a flood.</summary>
    private const long MinRateMs = 20;

    /// <summary>Relays ask for a new ticket after 8 h; this is earlier.</summary>
    private const long RefreshMs = 7 * 3600 * 1000L;

    /// <summary>A relay publishes tickets of a device at most every 15 s (§4.6): changed relay hints wait that long.</summary>
    private const long MinHintMs = 15_000;

    private readonly Address _device;
    private readonly Address _relay;
    private readonly EdgeClientOptions _options;
    private TicketTotals? _totals;
    private Ticket? _inFlight;
    private HeldTicket? _held;
    private ulong _movedBase;
    private ulong? _claim;
    private ulong _movedAtClaim;
    private ulong _confirmedAtClaim;
    private long _epochOffset;
    private bool _afterTooLow;
    private bool _connectionCounted;
    private int _attempts;
    private ulong _headroom;
    private ulong _rateMoved;
    private long _rateTime;
    private long _lastMade;
    private long _lastAccepted;
    private Address? _primary;
    private Address? _secondary;

    public ClientTickets(Address device, Address relay, EdgeClientOptions options)
    {
        _device = device;
        _relay = relay;
        _options = options;
        _totals = options.Totals;
        _headroom = options.TicketHeadroom;
        _primary = options.PrimaryRelay;
        _secondary = options.SecondaryRelay;
        Budget = options.TicketBudget;
        UsesVersion1 = options.ChainId == EdgeLimits.DiodeL1ChainId;
        if (_totals is { AcceptedBytes: > 0 } known)
        {
            _held = new HeldTicket(known.AcceptedBytes);
        }
    }

    /// <summary>Whether a ticket was sent and not answered.</summary>
    public bool IsInFlight => _inFlight is not null;

    /// <summary>Bytes of the last ticket accepted in this session.</summary>
    public ulong PaidBytes { get; private set; }

    /// <summary>Most bytes to sign for; null = no limit.</summary>
    public ulong? Budget { get; private set; }

    /// <summary>Whether tickets are of version 1: the Diode L1, or a relay that does not know version 2.</summary>
    public bool UsesVersion1 { get; private set; }

    /// <summary>The block that dates version 1 tickets.</summary>
    public (ulong Number, Hash256 Hash)? Block { get; set; }

    /// <summary>A ticket is due when so many bytes have moved; the packet path compares with it and does nothing else.</summary>
    public ulong Mark { get; private set; } = ulong.MaxValue;

    private long Accepted { get; set; }

    private long Refused { get; set; }

    private long Asked { get; set; }

    private string? LastRefusal { get; set; }

    /// <summary>Notes the usage the relay claims.</summary>
    public void SetUsage(ulong usage, ulong moved)
    {
        Asked += Accepted > 0 ? 1 : 0;
        SetClaim(usage, moved);
        _attempts = 0;
    }

    /// <summary>Notes the answer to <c>bytes</c>: usage without the bytes of the ticket the relay holds.</summary>
    public void SetUnpaid(long unpaid, ulong moved)
    {
        if (PaidBytes > 0 && !IsInFlight)
        {
            SetClaim((ulong)Math.Max((long)PaidBytes + unpaid, 0), moved);
        }
    }

    /// <summary>Changes the budget; a ticket is due if it stood in the way.</summary>
    public bool SetBudget(ulong? budget, ulong moved)
    {
        if (budget == Budget)
        {
            return false;
        }

        bool wasReached = IsBudgetReached;
        Budget = budget;
        BudgetStopped = false;
        if (wasReached && !IsBudgetReached && !IsInFlight)
        {
            SetMark(moved);
            return true;
        }

        return false;
    }

    /// <summary>Changes the relays to be met at; true when a new ticket should say so.</summary>
    public bool SetRelays(Address? primary, Address? secondary)
    {
        Address[] before = LocalAddress.ChooseRelays(_relay, _primary, _secondary);
        _primary = primary;
        _secondary = secondary;
        HintsChanged |= !before.AsSpan().SequenceEqual(LocalAddress.ChooseRelays(_relay, primary, secondary));
        return HintsChanged;
    }

    /// <summary>Whether time alone makes a ticket due: its age, the turn of the epoch, new relay hints.</summary>
    public bool IsDue(long nowMs, ulong moved)
    {
        MeasureRate(nowMs, moved);
        if (IsInFlight || PaidBytes == 0)
        {
            return false;
        }

        return (!UsesVersion1 && _totals is not null && _totals.Epoch != EpochAt(nowMs))
            || (!IsBudgetReached
                && (nowMs - _lastAccepted >= RefreshMs || (HintsChanged && nowMs - _lastMade >= MinHintMs)));
    }

    /// <summary>
    /// Makes the next ticket, unsigned; null with the reason when none may be made. It counts as in flight from here on.
    /// </summary>
    /// <param name="nowMs">Unix time, milliseconds: the time of the chain as the client knows it.</param>
    /// <param name="moved">Bytes that went through this session or by its means.</param>
    /// <param name="refusal">Why there is none.</param>
    public Ticket? Make(long nowMs, ulong moved, out string refusal)
    {
        refusal = "";
        if (UsesVersion1 && Block is null)
        {
            refusal = "the relay knows no block of the Diode L1";
            return Refuse(refusal, moved);
        }

        MeasureRate(nowMs, moved);
        TicketTotals totals = TotalsOf(UsesVersion1 ? Block!.Value.Number / EdgeLimits.EpochBlocks : EpochAt(nowMs), moved);
        ulong known = totals.CountedBytes + totals.ForeignBytes;

        // What we may sign: what we had signed before, what we moved, one jump of grace, and what restarts of the relay cost.
        ulong limit = known + EdgeLimits.MaxTicketJump + (known / GraceDivisor) + GraceAt(nowMs);
        ulong usage = Math.Min(UsageAt(moved, totals), limit);

        // A relay that was restarted has counted little beyond what it holds, and the next restart costs what is paid ahead now: little
        // at first, in a session that goes on where another one ended, and more when that is too low.
        bool isFirst = _held is not null && PaidBytes == 0 && _attempts < MaxAttempts;
        ulong step = isFirst ? _options.TicketHeadroom >> (3 * Math.Min(MaxAttempts - _attempts, 2)) : _options.TicketHeadroom;
        ulong bytes = usage + (isFirst ? step : Math.Max(Math.Min(_headroom, limit - usage), step));
        if (_held is { } held)
        {
            bytes = Math.Max(bytes, held.Bytes + (_afterTooLow ? step : 1));

            // A relay that holds less than we think would not take so much at once.
            bytes = Math.Min(bytes, Math.Max(held.Bytes, _claim ?? 0) + EdgeLimits.MaxTicketJump);
        }

        if (bytes > limit + ((MaxAttempts + 1) * _options.TicketHeadroom))
        {
            refusal = UnconfirmedUsage;
            return Refuse(refusal, moved);
        }

        if (Budget is ulong budget && bytes > budget)
        {
            // A ticket below the usage would be refused.
            if (budget < usage || budget <= (_held?.Bytes ?? 0))
            {
                refusal = BudgetReached;
                BudgetStopped = true;
                return Refuse(refusal, moved);
            }

            bytes = budget;
        }

        BudgetStopped = false;
        ulong connections = Math.Max(totals.Connections + (_connectionCounted ? 0UL : 1UL), 1);
        _connectionCounted = true;
        _totals = totals with { SignedBytes = Math.Max(totals.SignedBytes, bytes), Connections = connections };
        _lastMade = nowMs;
        HintsChanged = false;
        Mark = ulong.MaxValue;
        _inFlight = Write(nowMs, totals.Epoch, connections, bytes);
        return _inFlight;
    }

    /// <summary>The totals with what has moved up to now; null before the first ticket.</summary>
    public TicketTotals? TotalsNow(ulong moved)
    {
        return _totals is null ? _options.Totals : Counted(_totals, moved);
    }

    /// <summary>A picture of everything.</summary>
    public TicketStatus GetStatus(ulong moved)
    {
        TicketTotals? totals = TotalsNow(moved);
        ulong excess = _claim > _confirmedAtClaim ? _claim.Value - _confirmedAtClaim : 0;
        return new TicketStatus
        {
            Totals = totals,
            UsageBytes = totals is null ? 0 : UsageAt(moved, totals),
            ClaimedBytes = _claim,
            ConfirmedBytes = _confirmedAtClaim,
            IsOverclaimed = excess > Math.Max(2 * EdgeLimits.TicketHeadroom, _confirmedAtClaim / 20),
            Budget = Budget,
            IsBudgetReached = IsBudgetReached,
            LastAcceptedMs = _lastAccepted,
            Accepted = Accepted,
            Refused = Refused,
            Asked = Asked,
            LastRefusal = LastRefusal,
        };
    }

    private bool BudgetStopped { get; set; }

    private bool HintsChanged { get; set; }

    private bool IsBudgetReached => Budget is ulong budget && (BudgetStopped || (_held?.Bytes ?? 0) >= budget);

    private Ticket Write(long nowMs, ulong epoch, ulong connections, ulong bytes)
    {
        byte[] local = LocalAddress.Encode(
            LocalAddress.ChooseRelays(_relay, _primary, _secondary),
            (ulong)Math.Max(nowMs / 1000, 0),
            _options.TunnelKey.Span,
            _options.CapabilityVersion);
        return UsesVersion1
            ? new TicketV1
            {
                BlockNumber = Block!.Value.Number,
                BlockHash = Block.Value.Hash,
                Fleet = _options.Fleet,
                Server = _relay,
                TotalConnections = connections,
                TotalBytes = bytes,
                LocalAddress = local,
            }
            : new TicketV2
            {
                ChainId = _options.ChainId,
                EpochNumber = epoch,
                Fleet = _options.Fleet,
                Server = _relay,
                TotalConnections = connections,
                TotalBytes = bytes,
                LocalAddress = local,
            };
    }

    private void SetClaim(ulong usage, ulong moved)
    {
        _claim = usage;
        _movedAtClaim = moved;
        TicketTotals? totals = TotalsNow(moved);
        _confirmedAtClaim = Math.Max((totals?.CountedBytes ?? moved) + (totals?.ForeignBytes ?? 0), _held?.Bytes ?? 0);
    }

    /// <summary>What the relay is taken to have counted: its word plus what moved since; our own count while it said nothing.</summary>
    private ulong UsageAt(ulong moved, TicketTotals totals)
    {
        return _claim is ulong claim ? claim + (moved - _movedAtClaim) : totals.CountedBytes;
    }

    /// <summary>The part of <see cref="EpochGrace"/> that belongs to the days of the epoch which have passed.</summary>
    private ulong GraceAt(long nowMs)
    {
        return UsesVersion1
            ? EpochGrace / EdgeLimits.EpochBlocks * (Block!.Value.Number % EdgeLimits.EpochBlocks)
            : EpochGrace / EdgeLimits.EpochSeconds * ((ulong)Math.Max(nowMs, 0) / 1000 % EdgeLimits.EpochSeconds);
    }

    private ulong EpochAt(long nowMs)
    {
        return (ulong)Math.Max((Math.Max(nowMs, 0) / 1000 / (long)EdgeLimits.EpochSeconds) + _epochOffset, 1);
    }

    /// <summary>The totals of an epoch; another one than before begins at 0.</summary>
    private TicketTotals TotalsOf(ulong epoch, ulong moved)
    {
        if (_totals is { } totals && totals.Epoch == epoch && totals.ChainId == ChainId && totals.Fleet == _options.Fleet)
        {
            return Counted(totals, moved);
        }

        bool turned = _totals is not null && PaidBytes > 0;
        _totals = new TicketTotals { ChainId = ChainId, Fleet = _options.Fleet, Epoch = epoch };
        _movedBase = turned ? moved : 0;
        _held = null;
        _claim = turned ? null : _claim;
        _afterTooLow = false;
        _connectionCounted = false;
        return Counted(_totals, moved);
    }

    private ulong ChainId => UsesVersion1 ? EdgeLimits.DiodeL1ChainId : _options.ChainId;

    private TicketTotals Counted(TicketTotals totals, ulong moved)
    {
        // The base of the counting is the session's own: what earlier sessions counted is in the totals already.
        ulong counted = totals.CountedBytes + (moved - _movedBase);
        if (ReferenceEquals(totals, _totals))
        {
            _totals = totals with { CountedBytes = counted };
            _movedBase = moved;
            return _totals;
        }

        return totals with { CountedBytes = counted };
    }

    private void MeasureRate(long nowMs, ulong moved)
    {
        long passed = nowMs - _rateTime;
        if (_rateTime == 0 || passed < 0)
        {
            _rateTime = nowMs;
            _rateMoved = moved;
            return;
        }

        ulong rate = (moved - _rateMoved) * HeadroomMs / (ulong)Math.Max(passed, MinRateMs);
        ulong wanted = Math.Clamp(rate, _options.TicketHeadroom, Math.Max(MaxHeadroom, _options.TicketHeadroom));

        // Up at once, down slowly: the next burst is likely to be like the last.
        _headroom = Math.Max(wanted, passed < MinRateMs ? _headroom : _headroom - ((_headroom - Math.Min(wanted, _headroom)) / 4));
        if (passed >= MinRateMs)
        {
            _rateTime = nowMs;
            _rateMoved = moved;
        }
    }

    /// <summary>The next ticket is due when a quarter of what was paid ahead is left.</summary>
    private void SetMark(ulong moved)
    {
        if (IsBudgetReached || _totals is null)
        {
            Mark = ulong.MaxValue;
            return;
        }

        ulong usage = UsageAt(moved, Counted(_totals, moved));
        ulong paid = _held?.Bytes ?? 0;
        ulong left = paid > usage ? paid - usage : 0;
        ulong reserve = Math.Min(_headroom, left) / 4;
        Mark = moved + Math.Max(left - reserve, 1);
    }

    /// <summary>Notes that there is no ticket, or that it was refused; always null.</summary>
    public Ticket? Refuse(string reason, ulong moved)
    {
        Refused++;
        LastRefusal = reason;

        // Without a word of the relay it is tried again after some more traffic.
        Mark = IsBudgetReached ? ulong.MaxValue : moved + _options.TicketHeadroom;
        return null;
    }

    /// <summary>The ticket the relay is known to hold.</summary>
    private readonly record struct HeldTicket(ulong Bytes);
}
