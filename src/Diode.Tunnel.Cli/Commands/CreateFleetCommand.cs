using System.CommandLine;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>fleet create</c>.</summary>
internal static class CreateFleetCommand
{
    internal static Command Create(CliShell shell)
    {
        var name = new Argument<string>("NAME") { Description = "Name of the fleet, as in label.NAME.diode." };
        var label = new Option<string?>("--label") { Description = "Label of this device in it (default: the host name).", HelpName = "LABEL" };
        var command = new Command("create", "Create a fleet operated by this device.") { name, label };
        return shell.Handle(command, async (parsed, run, cancellationToken) => FleetCommand.Show(run, await run.Client.CreateFleetAsync(
            new CreateFleetRequest { Name = parsed.GetRequiredValue(name), Label = parsed.GetValue(label) }, cancellationToken)));
    }
}
