using System.CommandLine;
using Diode.Tunnel.Cli.Output;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>exit list</c>.</summary>
internal static class ListExitsCommand
{
    internal static Command Create(CliShell shell) => shell.Handle(
        new Command("list", "Show the exits that could be used and the one in use."),
        async (_, run, cancellationToken) => Show(run, await run.Client.ListExitsAsync(cancellationToken)));

    internal static int Show(CliRun run, ExitList exits)
    {
        run.Show(exits, json => json.ExitList, _ =>
        {
            ExitText.Write(exits.Exit, run.Terminal);
            ExitText.WriteCommunity(exits, run.Terminal);
        });
        return CliExitCodes.Ok;
    }
}
