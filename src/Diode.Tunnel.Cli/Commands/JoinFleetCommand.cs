using System.CommandLine;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>fleet join</c>.</summary>
internal static class JoinFleetCommand
{
    internal static Command Create(CliShell shell)
    {
        var file = new Argument<string>("FILE|CONTRACT|NAME") { Description = FleetCommand.SourceDescription };
        var name = new Option<string?>("--name") { Description = "Name for the fleet of a contract or a name on this machine.", HelpName = "NAME" };
        var command = new Command("join", "Join the fleet of a manifest, a contract or a name, or take a manifest's newer version.") { file, name };
        return shell.Handle(command, async (parsed, run, cancellationToken) => FleetCommand.Show(run, await run.Client.JoinFleetAsync(
            await FleetCommand.ReadSourceAsync(parsed.GetRequiredValue(file), parsed.GetValue(name), cancellationToken), cancellationToken)));
    }
}
