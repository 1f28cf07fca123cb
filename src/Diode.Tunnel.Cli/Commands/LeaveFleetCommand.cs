using System.CommandLine;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>fleet leave</c>.</summary>
internal static class LeaveFleetCommand
{
    internal static Command Create(CliShell shell)
    {
        var fleet = new Argument<string>("FLEET") { Description = "Name or operator address." };
        var command = new Command("leave", "Forget a fleet; sessions with its members are cut.") { fleet };
        return shell.Handle(command, async (parsed, run, cancellationToken) => run.Done(await run.Client.LeaveFleetAsync(
            new LeaveFleetRequest { Fleet = parsed.GetRequiredValue(fleet) }, cancellationToken)));
    }
}
