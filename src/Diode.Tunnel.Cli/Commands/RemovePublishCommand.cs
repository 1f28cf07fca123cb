using System.CommandLine;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>publish remove</c>, also called <c>unpublish</c>.</summary>
internal static class RemovePublishCommand
{
    internal static Command Create(CliShell shell, string name)
    {
        Argument<string?> port = PublishPort.Argument();
        Option<bool> all = PublishPort.All();
        var command = new Command(name, "Withdraw a published port; connections to it are cut.") { port, all };
        return shell.Handle(command, async (parsed, run, cancellationToken) =>
        {
            (int? number, PublishProtocol protocol) = PublishPort.Read(parsed.GetValue(port), parsed.GetValue(all));
            PublishList rules = await run.Client.RemovePublishAsync(
                new RemovePublishRequest { Port = number, All = number is null, Protocol = protocol }, cancellationToken);
            return ListPublishCommand.Show(run, rules);
        });
    }
}
