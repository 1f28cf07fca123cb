using System.CommandLine;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>unpublish</c>: short for <c>publish remove</c>.</summary>
internal static class UnpublishCommand
{
    internal static Command Create(CliShell shell) => RemovePublishCommand.Create(shell, "unpublish");
}
