using System.CommandLine;
using Diode.Tunnel.Cli.Output;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>ticket status</c>.</summary>
internal static class TicketStatusCommand
{
    internal static Command Create(CliShell shell) => shell.Handle(
        new Command("status", "Show for each relay what is paid, used and claimed, and the traffic budget."),
        async (_, run, cancellationToken) => Show(run, await run.Client.GetTicketsAsync(cancellationToken)));

    internal static int Show(CliRun run, TicketLedger ledger)
    {
        run.Show(ledger, json => json.TicketLedger, _ => TicketText.Write(ledger, run.Terminal, TimeProvider.System.GetUtcNow()));
        return CliExitCodes.Ok;
    }
}
