using System.CommandLine;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>fleet remove</c>.</summary>
internal static class RemoveMemberCommand
{
    internal static Command Create(CliShell shell)
    {
        var device = new Argument<string>("DEVICE") { Description = "Address or label of the member." };
        Option<string?> fleet = FleetCommand.FleetOption();
        var command = new Command("remove", "Remove a member and sign the next version; its sessions are cut.") { device, fleet };
        return shell.Handle(command, async (parsed, run, cancellationToken) => FleetCommand.Show(run, await run.Client.RemoveMemberAsync(
            new RemoveMemberRequest { Fleet = parsed.GetValue(fleet), Device = parsed.GetRequiredValue(device) }, cancellationToken)));
    }
}
