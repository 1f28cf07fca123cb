using Diode.Tunnel.Edge;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.Tickets;

/// <summary>
/// What this device has paid to whom, over restarts, and what it may still pay. Engine loop only; sessions report here a few times a
/// second and get their share of the budget.
/// </summary>
internal sealed class TicketLedger(TicketLedgerFile file, TrafficBudget configured, TimeProvider time)
{
    /// <summary>Where the user is warned.</summary>
    public const int WarnPercent = 80;

    /// <summary>Smallest part of the budget that is worth a ticket; below it one relay gets all that is left.</summary>
    private const ulong MinShare = 1 << 20;

    private static readonly TimeSpan SaveInterval = TimeSpan.FromSeconds(5);

    private readonly Dictionary<Address, LedgerRow> _rows = [];
    private TrafficBudget? _chosen;
    private long _lastSave;
    private bool _dirty;

    /// <summary>The budget in force: what the user chose, else the configuration's.</summary>
    public TrafficBudget Budget => _chosen ?? configured;

    /// <summary>All relays with tickets in this epoch.</summary>
    public IEnumerable<LedgerRow> Rows => _rows.Values.Where(IsCurrent);

    /// <summary>Bytes signed for in this epoch at all relays.</summary>
    public ulong SignedTotal => Rows.Aggregate(0UL, static (sum, row) => sum + row.Totals.SignedBytes);

    /// <summary>When the totals begin anew.</summary>
    public DateTimeOffset EpochEnds => DateTimeOffset.FromUnixTimeSeconds((long)((Epoch + 1) * EdgeLimits.EpochSeconds));

    /// <summary>The epoch of version 2 tickets now.</summary>
    public ulong Epoch => (ulong)time.GetUtcNow().ToUnixTimeSeconds() / EdgeLimits.EpochSeconds;

    /// <summary>The whole budget is signed away.</summary>
    public bool IsTotalReached => Budget.Total is ulong total && SignedTotal >= total;

    /// <summary>Reads the file; a problem with it is a text, not a failure: relays show what they hold.</summary>
    public string? Load()
    {
        string? problem = file.Load(out TrafficBudget? chosen, out IReadOnlyList<LedgerRow> rows);
        _chosen = chosen;
        foreach (LedgerRow row in rows)
        {
            _rows[row.Relay] = row;
        }

        return problem;
    }

    /// <summary>What earlier sessions moved and signed at a relay; null if nothing is known of this epoch.</summary>
    public TicketTotals? TotalsOf(Address relay)
    {
        return _rows.TryGetValue(relay, out LedgerRow? row) && IsCurrent(row) ? row.Totals : null;
    }

    /// <summary>Whether a relay cannot be paid any more.</summary>
    public bool IsReached(Address relay)
    {
        return IsTotalReached || (Budget.PerRelay is ulong most && TotalsOf(relay)?.SignedBytes >= most);
    }

    /// <summary>Whether there is so little left that the user should know.</summary>
    public bool IsNear(out int percent)
    {
        ulong part = Budget.Total is ulong total && total > 0 ? SignedTotal * 100 / total : 0;
        if (Budget.PerRelay is ulong most && most > 0)
        {
            part = Math.Max(part, Rows.Select(static r => r.Totals.SignedBytes).DefaultIfEmpty().Max() * 100 / most);
        }

        percent = (int)Math.Min(part, 100);
        return percent >= WarnPercent;
    }

    /// <summary>What a new session may sign for at first, null without budget: its share of what is left.</summary>
    public ulong? FirstCap(Address relay, int sessions)
    {
        ulong signed = TotalsOf(relay)?.SignedBytes ?? 0;
        return Cap(signed, Left() / (ulong)Math.Max(sessions, 1));
    }

    /// <summary>Takes in how a session stands.</summary>
    public void Note(Address relay, string uri, TicketStatus status, bool isEnd = false)
    {
        if (status.Totals is not { } totals)
        {
            return;
        }

        LedgerRow? old = _rows.GetValueOrDefault(relay);
        bool sameEpoch = old?.Totals.Epoch == totals.Epoch;
        TicketStatus? before = old?.Live;
        LedgerRow row = new()
        {
            Relay = relay,
            Uri = uri,
            Totals = totals,
            LastAccepted = status.LastAcceptedMs > 0
                ? DateTimeOffset.FromUnixTimeMilliseconds(status.LastAcceptedMs)
                : old?.LastAccepted,
            Refused = (sameEpoch ? old!.Refused : 0) + Grown(status.Refused, before?.Refused),
            Asked = (sameEpoch ? old!.Asked : 0) + Grown(status.Asked, before?.Asked),
            LastRefusal = status.LastRefusal ?? old?.LastRefusal,
            Live = isEnd ? null : status,
            Claim = status.ClaimedBytes is ulong claimed ? (claimed, status.ConfirmedBytes) : sameEpoch ? old!.Claim : null,
            IsOverclaimed = status.ClaimedBytes is not null ? status.IsOverclaimed : sameEpoch && old!.IsOverclaimed,
        };
        _dirty |= old?.Totals != totals || isEnd;
        _rows[relay] = row;
    }

    /// <summary>Shares what is left of the budget among the sessions there are.</summary>
    public void Distribute(IReadOnlyList<(Address Relay, TicketStatus Status, Action<ulong?> Set)> sessions)
    {
        ulong left = Left();
        bool shared = left / (ulong)Math.Max(sessions.Count, 1) >= MinShare;
        int neediest = -1;
        long most = long.MinValue;
        for (int i = 0; i < sessions.Count; i++)
        {
            long unpaid = (long)sessions[i].Status.UsageBytes - (long)(sessions[i].Status.Totals?.SignedBytes ?? 0);
            if (unpaid > most)
            {
                (neediest, most) = (i, unpaid);
            }
        }

        for (int i = 0; i < sessions.Count; i++)
        {
            ulong share = shared ? left / (ulong)sessions.Count : i == neediest ? left : 0;
            sessions[i].Set(Cap(sessions[i].Status.Totals?.SignedBytes ?? 0, share));
        }
    }

    /// <summary>Changes the budget and writes it.</summary>
    /// <exception cref="IOException">It cannot be written; the old one stays in force.</exception>
    public void Choose(TrafficBudget budget)
    {
        file.Save(budget, [.. _rows.Values.Where(IsCurrent)]);
        _chosen = budget;
        _dirty = false;
    }

    /// <summary>Writes what has changed, every few seconds at most. What a kill loses, the relays' answers bring back.</summary>
    public void SaveIfDue(bool now = false)
    {
        if (_dirty && (now || time.GetElapsedTime(_lastSave) >= SaveInterval))
        {
            _lastSave = time.GetTimestamp();
            _dirty = false;
            file.Save(_chosen, [.. _rows.Values.Where(IsCurrent)]);
        }
    }

    private static long Grown(long now, long? before)
    {
        return before is long old && old <= now ? now - old : now;
    }

    /// <summary>Bytes of the whole budget that are not signed away.</summary>
    private ulong Left()
    {
        return Budget.Total is ulong total ? total - Math.Min(total, SignedTotal) : ulong.MaxValue;
    }

    private ulong? Cap(ulong signed, ulong share)
    {
        ulong? byTotal = Budget.Total is null ? null : signed + share;
        return byTotal is ulong cap && Budget.PerRelay is ulong most ? Math.Min(cap, most) : byTotal ?? Budget.PerRelay;
    }

    /// <summary>Version 1 epochs count blocks: such a row is of now while it was paid within an epoch's time.</summary>
    private bool IsCurrent(LedgerRow row)
    {
        return row.Totals.ChainId == EdgeLimits.DiodeL1ChainId
            ? row.LastAccepted > time.GetUtcNow() - TimeSpan.FromSeconds(EdgeLimits.EpochSeconds)
            : row.Totals.Epoch + 1 > Epoch;
    }
}
