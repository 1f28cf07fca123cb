using Diode.Tunnel.Engine.Tickets;

namespace Diode.Tunnel.Engine;

/// <content>What this device pays relays, and what it may.</content>
public sealed partial class TunnelEngine
{
    private const string LiftBudget = "To lift it: sudo diode-tunnel ticket budget off (or a higher SIZE)";

    /// <summary>The ledger at this moment.</summary>
    public Task<LedgerView> GetLedgerAsync(CancellationToken cancellation)
    {
        return _loop.InvokeAsync(MakeLedger, cancellation);
    }

    /// <summary>Changes the budget; null leaves that part as it is, 0 lifts it. Remembered over restarts.</summary>
    /// <exception cref="TunnelException">It cannot be written.</exception>
    public Task<LedgerView> SetTrafficBudgetAsync(ulong? total, ulong? perRelay, CancellationToken cancellation)
    {
        return _loop.InvokeAsync(
            () =>
            {
                TrafficBudget now = _ledger.Budget;
                try
                {
                    _ledger.Choose(new TrafficBudget(Changed(now.Total, total), Changed(now.PerRelay, perRelay)));
                }
                catch (IOException e)
                {
                    throw new TunnelException($"The budget cannot be kept: {e.Message}", code: "SYSTEM");
                }

                _relays.Tick();
                NotifyChanged();
                return MakeLedger();
            },
            cancellation);
    }

    private static ulong? Changed(ulong? now, ulong? wanted)
    {
        return wanted is null ? now : wanted == 0 ? null : wanted;
    }

    private LedgerView MakeLedger()
    {
        _relays.NoteTickets();
        _ledger.IsNear(out int percent);
        return new LedgerView(
            [.. _ledger.Rows.OrderByDescending(static r => r.Totals.SignedBytes).Select(MakeTicketView)],
            _ledger.SignedTotal,
            _ledger.Budget.Total,
            _ledger.Budget.PerRelay,
            percent,
            _ledger.EpochEnds);
    }

    private TicketView MakeTicketView(LedgerRow row)
    {
        ulong usage = row.Live?.UsageBytes ?? row.Claim?.Claimed ?? row.Totals.CountedBytes;
        return new TicketView
        {
            Relay = row.Relay.ToString(),
            Uri = row.Uri,
            IsConnected = row.Live is not null,
            Epoch = row.Totals.Epoch,
            Paid = row.Totals.AcceptedBytes,
            Connections = row.Totals.Connections,
            Counted = row.Totals.CountedBytes,
            Unpaid = usage > row.Totals.AcceptedBytes ? usage - row.Totals.AcceptedBytes : 0,
            Claimed = row.Claim?.Claimed,
            Unconfirmed = row.Claim is { } claim && claim.Claimed > claim.Confirmed ? claim.Claimed - claim.Confirmed : 0,
            IsOverclaimed = row.IsOverclaimed,
            Budget = _ledger.Budget.PerRelay,
            IsBudgetReached = _ledger.IsReached(row.Relay),
            LastAccepted = row.LastAccepted,
            Asked = row.Asked,
            Refused = row.Refused,
            LastRefusal = row.LastRefusal,
        };
    }

    private void AddTicketHealth(List<HealthView> health)
    {
        if (_ledgerProblem is { } problem)
        {
            health.Add(new HealthView("LEDGER_DAMAGED", false, problem, null));
        }

        if (_ledger.IsNear(out int percent))
        {
            bool reached = percent >= 100;
            health.Add(new HealthView(
                reached ? "BUDGET_REACHED" : "BUDGET_NEAR",
                reached,
                reached
                    ? $"The traffic budget is used up: relays are not paid any more until {_ledger.EpochEnds:yyyy-MM-dd}, and end their sessions."
                    : $"{percent} % of the traffic budget is used; it lasts until {_ledger.EpochEnds:yyyy-MM-dd}.",
                LiftBudget));
        }

        foreach (LedgerRow row in _ledger.Rows.Where(static r => r.IsOverclaimed))
        {
            health.Add(new HealthView(
                "RELAY_OVERCLAIMS",
                false,
                $"{row.Uri} claims {row.Claim?.Claimed} bytes; this device has moved or signed {row.Claim?.Confirmed}. More is not signed.",
                "See: diode-tunnel ticket status. Another program with the same key may use this relay; otherwise choose another one."));
        }
    }
}
