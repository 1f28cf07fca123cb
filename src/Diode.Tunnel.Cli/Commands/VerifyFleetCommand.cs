using System.CommandLine;
using Diode.Tunnel.Cli.Output;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>fleet verify</c>: checks a manifest without taking it.</summary>
internal static class VerifyFleetCommand
{
    internal static Command Create(CliShell shell)
    {
        var file = new Argument<string>("FILE") { Description = "The signed manifest; - reads standard input." };
        var command = new Command("verify", "Check signature, dates and form of a manifest (0 good, 7 bad).") { file };
        return shell.Handle(command, async (parsed, run, cancellationToken) =>
        {
            FleetVerification verdict = await run.Client.VerifyFleetAsync(
                await ManifestFile.ReadAsync(parsed.GetRequiredValue(file), cancellationToken), cancellationToken);
            run.Show(verdict, json => json.FleetVerification, writer =>
            {
                writer.WriteLine(verdict.Valid ? "valid" : "NOT VALID: " + SafeText.Of(verdict.Reason ?? "no reason given"));
                if (verdict.Fleet is FleetDetails fleet)
                {
                    writer.WriteLine(SafeText.Of(FleetText.Line(fleet)));
                    run.Table(FleetText.Members([fleet]));
                }
            });
            return verdict.Valid ? CliExitCodes.Ok : CliExitCodes.Negative;
        });
    }
}
