using System.CommandLine;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>up</c>: switches the tunnel on.</summary>
internal static class UpCommand
{
    internal static Command Create(CliShell shell) => shell.Handle(
        new Command("up", "Switch the tunnel on, now and after restarts."),
        async (_, run, cancellationToken) => run.Done(await run.Client.UpAsync(cancellationToken)));
}
