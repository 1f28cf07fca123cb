using System.CommandLine;
using Diode.Tunnel.Cli.Output;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>exit off</c>.</summary>
internal static class ExitOffCommand
{
    internal static Command Create(CliShell shell) => shell.Handle(
        new Command("off", "Stop using an exit: traffic leaves here again."),
        async (_, run, cancellationToken) =>
        {
            ExitList exits = await run.Client.ExitOffAsync(cancellationToken);
            run.Show(exits, json => json.ExitList, writer =>
                writer.WriteLine("exit " + SafeText.Of(StatusText.Exit(exits.Exit))));
            return CliExitCodes.Ok;
        });
}
