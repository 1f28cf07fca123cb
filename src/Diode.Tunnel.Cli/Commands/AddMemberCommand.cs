using System.CommandLine;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>fleet add</c>.</summary>
internal static class AddMemberCommand
{
    internal static Command Create(CliShell shell)
    {
        var device = new Argument<string>("DEVICE") { Description = "Address of the device, as its whoami shows it (0x…)." };
        var label = new Argument<string>("LABEL") { Description = "Its label, as in LABEL.fleet.diode." };
        var roles = new Option<string[]>("--role") { Description = "Role to give it, such as exit; several with commas.", HelpName = "ROLE" };
        Option<string?> fleet = FleetCommand.FleetOption();
        var command = new Command("add", "Add a member, or change label and roles of one, and sign the next version.")
        {
            device,
            label,
            roles,
            fleet,
        };
        return shell.Handle(command, async (parsed, run, cancellationToken) =>
        {
            string[] given = [.. (parsed.GetValue(roles) ?? [])
                .SelectMany(text => text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))];
            var request = new AddMemberRequest
            {
                Fleet = parsed.GetValue(fleet),
                Device = parsed.GetRequiredValue(device),
                Label = parsed.GetRequiredValue(label),
                Roles = given,
            };
            return FleetCommand.Show(run, await run.Client.AddMemberAsync(request, cancellationToken));
        });
    }
}
