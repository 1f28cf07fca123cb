using System.CommandLine;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>publish</c>: lets others reach a port; with <c>list</c> and <c>remove</c>.</summary>
internal static class PublishCommand
{
    internal static Command Create(CliShell shell)
    {
        Argument<string?> port = PublishPort.Argument();
        Option<bool> all = PublishPort.All();
        var to = new Option<string[]>("--to")
        {
            Description = "Who may: fleet, public, a fleet's name, device addresses or names; several with commas.",
            HelpName = "WHO",
        };
        var command = new Command("publish", "Let others reach a port of this device. Nothing is reachable unless published.")
        {
            port,
            all,
            to,
        };
        command.Add(ListPublishCommand.Create(shell));
        command.Add(RemovePublishCommand.Create(shell, "remove"));
        return shell.Handle(command, async (parsed, run, cancellationToken) =>
        {
            string[] who = [.. (parsed.GetValue(to) ?? [])
                .SelectMany(text => text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))];
            (int? number, PublishProtocol protocol) = PublishPort.Read(parsed.GetValue(port), parsed.GetValue(all));
            if (who.Length == 0)
            {
                throw new UsageException("Say who may reach it.", "For example: diode-tunnel publish 22 --to fleet");
            }

            PublishList rules = await run.Client.AddPublishAsync(
                new AddPublishRequest { Port = number, All = number is null, Protocol = protocol, To = who },
                cancellationToken);
            return ListPublishCommand.Show(run, rules);
        });
    }
}
