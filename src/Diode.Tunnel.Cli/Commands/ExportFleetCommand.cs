using System.CommandLine;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>fleet export</c>.</summary>
internal static class ExportFleetCommand
{
    internal static Command Create(CliShell shell)
    {
        var fleet = new Argument<string?>("FLEET")
        {
            Description = "Name or operator address; not needed if there is only one.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var output = new Option<string?>("--output", "-o") { Description = "File to write (default: standard output).", HelpName = "FILE" };
        var command = new Command("export", "Write the signed manifest, to be given to members.") { fleet, output };
        return shell.Handle(command, async (parsed, run, cancellationToken) =>
        {
            ManifestDocument manifest = await run.Client.ExportFleetAsync(parsed.GetValue(fleet), cancellationToken);
            if (parsed.GetValue(output) is string file)
            {
                await ManifestFile.WriteAsync(file, manifest.Document, cancellationToken);
                run.Show(manifest, json => json.ManifestDocument, writer => writer.WriteLine($"{manifest.Fleet} written to {file}"));
            }
            else
            {
                // Exactly the signed text, also where it has no final line break.
                run.Show(manifest, json => json.ManifestDocument, writer => writer.Write(manifest.Document));
            }

            return CliExitCodes.Ok;
        });
    }
}
