using System.CommandLine;
using Diode.Tunnel.Cli.Output;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>publish list</c>.</summary>
internal static class ListPublishCommand
{
    internal static Command Create(CliShell shell) => shell.Handle(
        new Command("list", "Show what is published to whom."),
        async (_, run, cancellationToken) => Show(run, await run.Client.ListPublishAsync(cancellationToken)));

    internal static int Show(CliRun run, PublishList rules)
    {
        run.Show(rules, json => json.PublishList, writer =>
        {
            if (rules.Rules.Count == 0)
            {
                writer.WriteLine("Nothing is published: no device can open a connection to this one.");
            }
            else
            {
                run.Table(PublishText.Rules(rules.Rules));
                if (PublishText.ClearTextNote(rules.Rules) is { } note)
                {
                    writer.WriteLine(note);
                }
            }
        });
        return CliExitCodes.Ok;
    }
}
