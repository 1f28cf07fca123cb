using System.Globalization;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Output;

/// <summary>The ticket ledger as text.</summary>
internal static class TicketText
{
    internal static void Write(TicketLedger ledger, CliTerminal terminal, DateTimeOffset now)
    {
        Line(terminal, "paid", Format.Bytes(ledger.TotalBytes) + " signed for at all relays in this epoch");
        Line(terminal, "epoch", $"ends {Format.Moment(ledger.EpochEnds)}, in {Format.Span(ledger.EpochEnds - now)}");
        Line(terminal, "budget", Budget(ledger));
        TextTable relays = Relays(ledger, now);
        terminal.Out.WriteLine();
        if (relays.IsEmpty)
        {
            terminal.Out.WriteLine("No relay was paid in this epoch.");
        }
        else
        {
            relays.Write(terminal);
        }
    }

    private static TextTable Relays(TicketLedger ledger, DateTimeOffset now)
    {
        var table = new TextTable("RELAY", "STATE", "PAID", "USED", "UNPAID", "CLAIMED", "CONNS", "ACCEPTED", "ASKED", "REFUSED", "NOTE");
        foreach (TicketEntry entry in ledger.Relays)
        {
            table.Add(
                entry.Uri ?? entry.Relay,
                entry.Connected ? "connected" : "offline",
                Format.Bytes(entry.PaidBytes),
                Format.Bytes(entry.CountedBytes),
                Format.Bytes(entry.UnpaidBytes),
                entry.ClaimedBytes is long claimed ? Format.Bytes(claimed) : null,
                Count(entry.Connections),
                Format.Ago(entry.LastAccepted, now)?.Replace(' ', '-'),
                Count(entry.Asked),
                Count(entry.Refused),
                Note(entry));
        }

        return table;
    }

    private static string? Note(TicketEntry entry)
    {
        List<string> notes = [];
        if (entry.BudgetReached)
        {
            notes.Add("budget used up: lift it with diode-tunnel ticket budget off");
        }

        if (entry.Overclaimed)
        {
            notes.Add($"claims {Format.Bytes(entry.UnconfirmedBytes)} more than was moved");
        }

        if (entry.LastRefusal is not null)
        {
            notes.Add("last refusal: " + entry.LastRefusal);
        }

        return notes.Count == 0 ? null : string.Join("; ", notes);
    }

    private static string Budget(TicketLedger ledger)
    {
        if (ledger.Budget is null && ledger.BudgetPerRelay is null)
        {
            return "none";
        }

        List<string> parts = [];
        if (ledger.Budget is long total)
        {
            parts.Add(Format.Bytes(total) + " in all");
        }

        if (ledger.BudgetPerRelay is long each)
        {
            parts.Add(Format.Bytes(each) + " per relay");
        }

        return string.Create(
            CultureInfo.InvariantCulture, $"{string.Join(", ", parts)}; {ledger.BudgetUsedPercent}% used");
    }

    private static string Count(long value) => value.ToString(CultureInfo.InvariantCulture);

    private static void Line(CliTerminal terminal, string name, string value) =>
        terminal.Out.WriteLine($"{name,-10}{SafeText.Of(value)}");
}
