using System.CommandLine;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>fleet join</c>.</summary>
internal static class JoinFleetCommand
{
    internal static Command Create(CliShell shell)
    {
        var file = new Argument<string>("FILE") { Description = "The signed manifest; - reads standard input." };
        var command = new Command("join", "Join the fleet of a manifest, or take its newer version.") { file };
        return shell.Handle(command, async (parsed, run, cancellationToken) => FleetCommand.Show(run, await run.Client.JoinFleetAsync(
            await ManifestFile.ReadAsync(parsed.GetRequiredValue(file), cancellationToken), cancellationToken)));
    }
}
