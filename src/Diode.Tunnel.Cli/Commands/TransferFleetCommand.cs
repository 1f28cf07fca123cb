using System.CommandLine;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>fleet transfer</c>: another operator for a fleet contract.</summary>
internal static class TransferFleetCommand
{
    internal static Command Create(CliShell shell)
    {
        var next = new Argument<string>("OPERATOR") { Description = "Address of the new operator; it alone adds and removes devices from then on." };
        Option<string?> fleet = FleetCommand.FleetOption();
        var command = new Command("transfer", "Give the fleet of a contract to another operator.") { next, fleet };
        ChainOptions chain = ChainOptions.Add(command);
        return shell.Handle(command, (parsed, run, cancellationToken) => chain.ActAsync(
            parsed,
            run,
            new ChainActionRequest
            {
                Action = ChainActionKind.FleetTransfer,
                Contract = parsed.GetValue(fleet),
                Addresses = [parsed.GetRequiredValue(next)],
            },
            null,
            cancellationToken));
    }
}
