using System.CommandLine;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>exit unoffer</c>.</summary>
internal static class UnofferExitCommand
{
    internal static Command Create(CliShell shell) => shell.Handle(
        new Command("unoffer", "Withdraw the offer; those who use it are cut."),
        async (_, run, cancellationToken) =>
        {
            ExitList exits = await run.Client.UnofferExitAsync(cancellationToken);
            run.Show(exits, json => json.ExitList, writer => writer.WriteLine("offering nothing"));
            return CliExitCodes.Ok;
        });
}
