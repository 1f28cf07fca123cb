using System.CommandLine;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>fleet add</c>.</summary>
internal static class AddMemberCommand
{
    internal static Command Create(CliShell shell)
    {
        var device = new Argument<string>("DEVICE") { Description = "Address of the device, as its whoami shows it (0x…)." };
        var label = new Argument<string?>("LABEL")
        {
            Description = "Its label, as in LABEL.fleet.diode; fleets of contracts have none.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var roles = new Option<string[]>("--role") { Description = "Role to give it, such as exit; several with commas.", HelpName = "ROLE" };
        Option<string?> fleet = FleetCommand.FleetOption();
        var command = new Command("add", "Add a member, or change label and roles of one, and sign the next version; or let a device into the fleet of a contract.")
        {
            device,
            label,
            roles,
            fleet,
        };
        ChainOptions chain = ChainOptions.Add(command);
        return shell.Handle(command, async (parsed, run, cancellationToken) =>
        {
            if (parsed.GetValue(chain.Chain) is not null || await FleetCommand.IsContractAsync(run, parsed.GetValue(fleet), cancellationToken))
            {
                return await chain.ActAsync(
                    parsed,
                    run,
                    new ChainActionRequest
                    {
                        Action = ChainActionKind.FleetAdd,
                        Contract = parsed.GetValue(fleet),
                        Addresses = [parsed.GetRequiredValue(device)],
                    },
                    null,
                    cancellationToken);
            }

            chain.RefuseWithoutChain(parsed);
            string[] given = [.. (parsed.GetValue(roles) ?? [])
                .SelectMany(text => text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))];
            var request = new AddMemberRequest
            {
                Fleet = parsed.GetValue(fleet),
                Device = parsed.GetRequiredValue(device),
                Label = parsed.GetValue(label) ?? throw new UsageException(
                    "The device needs a label.", $"For example: diode-tunnel fleet add {parsed.GetRequiredValue(device)} printer"),
                Roles = given,
            };
            return FleetCommand.Show(run, await run.Client.AddMemberAsync(request, cancellationToken));
        });
    }
}
