using System.CommandLine;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>ticket</c>: what relays are paid.</summary>
internal static class TicketCommand
{
    internal static Command Create(CliShell shell) => new("ticket", "What relays are paid for carrying this device's traffic.")
    {
        TicketStatusCommand.Create(shell),
        TicketBudgetCommand.Create(shell),
    };
}
