using System.CommandLine;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>down</c>: switches the tunnel off.</summary>
internal static class DownCommand
{
    internal static Command Create(CliShell shell) => shell.Handle(
        new Command("down", "Switch the tunnel off and undo every change to the system."),
        async (_, run, cancellationToken) => run.Done(await run.Client.DownAsync(cancellationToken)));
}
