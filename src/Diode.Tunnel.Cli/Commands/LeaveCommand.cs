using System.CommandLine;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>leave</c>: takes back what <c>join</c> has brought.</summary>
internal static class LeaveCommand
{
    internal static Command Create(CliShell shell) => shell.Handle(
        new Command("leave", "Leave the perimeter; what it has set here is taken back, what you have set stays."),
        async (_, run, cancellationToken) => run.Done(await run.Client.LeavePerimeterAsync(cancellationToken)));
}
