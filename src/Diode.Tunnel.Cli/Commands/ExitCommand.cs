using System.CommandLine;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>exit</c>: regional tunnels, used and offered.</summary>
internal static class ExitCommand
{
    internal static Command Create(CliShell shell) =>
        new("exit", "Send this machine's other traffic out somewhere else, or let others do so here.")
        {
            ListExitsCommand.Create(shell),
            UseExitCommand.Create(shell),
            ExitOffCommand.Create(shell),
            OfferExitCommand.Create(shell),
            UnofferExitCommand.Create(shell),
            RegisterExitCommand.Create(shell),
            RegisterExitCommand.CreateUnregister(shell),
        };
}
