using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.Relays;

/// <content>
/// Which of the configured relays to keep (diode-client §13.6: five, the nearest by round trip, looked at anew each minute), which two
/// to name in tickets, and the tickets of all sessions.
/// </content>
internal sealed partial class RelayPool
{
    /// <summary>Own relays with a session at a time.</summary>
    public const int Target = 5;

    private const string BudgetReason = "the traffic budget is used up: see diode-tunnel ticket status";

    private static readonly TimeSpan SortInterval = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan UnpaidInterval = TimeSpan.FromMinutes(1);

    /// <summary>Longest delay between attempts while another relay is there (§13.6), and while there is none.</summary>
    private static readonly TimeSpan MostPatience = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan LeastPatience = TimeSpan.FromSeconds(15);

    /// <summary>A spare relay is judged when it was connected this long.</summary>
    private static readonly TimeSpan TrialTime = TimeSpan.FromSeconds(15);

    private long _nextSort;
    private bool _sortDue = true;
    private Address? _primary;
    private Address? _secondary;

    /// <summary>The two nearest own relays, as tickets name them.</summary>
    public (Address? Primary, Address? Secondary) Nearest => (_primary, _secondary);

    private IEnumerable<Entry> Own => _entries.Where(static e => !e.IsExtra);

    /// <summary>Decides which configured relays to have sessions with.</summary>
    private void SelectOwn()
    {
        long now = time.GetTimestamp();
        bool minute = now >= _nextSort;
        Entry[] own = [.. Own];
        if (own.Length <= Target)
        {
            foreach (Entry entry in own)
            {
                entry.IsWanted = true;
            }
        }
        else
        {
            FillUp(own);
            DropSlowest(own, now);
            if (minute)
            {
                TrySpare(own);
            }
        }

        if (minute || _sortDue)
        {
            _nextSort = minute ? now + Ticks(SortInterval) : _nextSort;
            _sortDue = false;
            NameNearest();
        }
    }

    /// <summary>As many as wanted that do not fail: a spare one steps in for each that does.</summary>
    private static void FillUp(Entry[] own)
    {
        int good = own.Count(static e => e.IsWanted && e.Backoff.Failures < 2);
        foreach (Entry spare in own.Where(static e => !e.IsWanted).OrderBy(static e => e.LastRoundTrip ?? TimeSpan.Zero))
        {
            if (good >= Target)
            {
                return;
            }

            spare.IsWanted = true;
            good++;
        }
    }

    /// <summary>One spare relay is connected for a look, the one not measured or the nearest when last seen.</summary>
    private static void TrySpare(Entry[] own)
    {
        if (own.Count(static e => e.Connection is { IsReady: true }) <= Target
            && own.Where(static e => !e.IsWanted).MinBy(static e => e.LastRoundTrip ?? TimeSpan.Zero) is { } spare)
        {
            spare.IsWanted = true;
        }
    }

    private void DropSlowest(Entry[] own, long now)
    {
        Entry[] ready = [.. own.Where(static e => e.IsWanted && e.Connection is { IsReady: true })];
        if (ready.Length <= Target || ready.Any(e => e.Connection!.RoundTrip is null || time.GetElapsedTime(e.ReadySince, now) < TrialTime))
        {
            return;
        }

        // What carries ports is not given up for a small gain.
        Entry slowest = ready.MaxBy(static e => e.Connection!.RoundTrip!.Value * (e.Connection.PortCount > 0 ? 0.7 : 1))!;
        slowest.IsWanted = false;
        slowest.LastRoundTrip = slowest.Connection!.RoundTrip;
        slowest.Connection.Close("nearer relays are connected");
    }

    private void NameNearest()
    {
        IRelaySession[] nearest = [.. ReadyEntries.Where(static e => !e.IsExtra).Select(static e => e.Connection!).Take(2)];
        _primary = nearest.Length > 0 ? nearest[0].Uri.Address : null;
        _secondary = nearest.Length > 1 ? nearest[1].Uri.Address : null;
        foreach (Entry entry in ReadyEntries)
        {
            entry.Connection!.SetRelays(_primary, _secondary);
        }
    }

    /// <summary>Brings the ledger up to this moment; else it is behind by what was moved since the last tick.</summary>
    public void NoteTickets()
    {
        foreach (Entry entry in ReadyEntries)
        {
            ledger.Note(entry.Uri.Address, entry.Uri.ToString(), entry.Connection!.GetTicketStatus());
        }
    }

    private void TickTickets()
    {
        long now = time.GetTimestamp();
        List<(Address Relay, TicketStatus Status, Action<ulong?> Set)> sessions = [];
        foreach (Entry entry in ReadyEntries)
        {
            IRelaySession session = entry.Connection!;
            TicketStatus status = session.GetTicketStatus();
            ledger.Note(entry.Uri.Address, entry.Uri.ToString(), status);
            sessions.Add((entry.Uri.Address, status, session.SetTicketBudget));
            if (now >= entry.NextUnpaid)
            {
                entry.NextUnpaid = now + Ticks(UnpaidInterval);
                session.AskUnpaidBytes();
            }

            // What is paid is used; then it ends here rather than by the relay's deadline.
            if (ledger.IsReached(entry.Uri.Address) && status.UsageBytes >= (status.Totals?.AcceptedBytes ?? 0))
            {
                session.Close(BudgetReason);
            }
        }

        ledger.Distribute(sessions);
        try
        {
            ledger.SaveIfDue();
        }
        catch (IOException e)
        {
            Log.LedgerNotWritten(logger, e.Message);
        }
    }

    private void NoteEnd(Entry entry, IRelaySession connection)
    {
        ledger.Note(entry.Uri.Address, entry.Uri.ToString(), connection.GetTicketStatus(), isEnd: true);
    }
}
