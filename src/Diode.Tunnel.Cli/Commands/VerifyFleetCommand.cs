using System.CommandLine;
using Diode.Tunnel.Cli.Output;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>fleet verify</c>: checks a manifest without taking it.</summary>
internal static class VerifyFleetCommand
{
    internal static Command Create(CliShell shell)
    {
        var file = new Argument<string>("FILE|CONTRACT|NAME") { Description = FleetCommand.SourceDescription };
        var command = new Command("verify", "Check a manifest's signature, dates and form, or read a contract and say how its members are known (0 good, 7 bad).") { file };
        return shell.Handle(command, (parsed, run, cancellationToken) => ShowAsync(run, parsed.GetRequiredValue(file), cancellationToken));
    }

    /// <summary>Checks a manifest or reads a contract, and shows what comes of it.</summary>
    internal static async Task<int> ShowAsync(CliRun run, string source, CancellationToken cancellationToken)
    {
        FleetVerification verdict = await run.Client.VerifyFleetAsync(
            await FleetCommand.ReadSourceAsync(source, null, cancellationToken), cancellationToken);
        run.Show(verdict, json => json.FleetVerification, writer =>
        {
            writer.WriteLine(verdict.Valid ? "valid" : "NOT VALID: " + SafeText.Of(verdict.Reason ?? "no reason given"));
            if (verdict.Fleet is FleetDetails fleet)
            {
                writer.WriteLine(SafeText.Of(FleetText.Line(fleet)));
                writer.WriteLine(SafeText.Of(fleet.Assurance));
                run.Table(FleetText.Members([fleet]));
            }
        });
        return verdict.Valid ? CliExitCodes.Ok : CliExitCodes.Negative;
    }
}
