using System.CommandLine;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>fleet create</c>.</summary>
internal static class CreateFleetCommand
{
    internal static Command Create(CliShell shell)
    {
        var name = new Argument<string>("NAME") { Description = "Name of the fleet, as in label.NAME.diode." };
        var label = new Option<string?>("--label") { Description = "Label of this device in it (default: the host name).", HelpName = "LABEL" };
        var command = new Command("create", "Create a fleet operated by this device; with --chain as a contract there.") { name, label };
        ChainOptions chain = ChainOptions.Add(command, "Create it as a contract on this chain: diode, glmr, base, sapphire, av or an id.");
        return shell.Handle(command, async (parsed, run, cancellationToken) =>
        {
            string fleet = parsed.GetRequiredValue(name);
            if (parsed.GetValue(chain.Chain) is null)
            {
                chain.RefuseWithoutChain(parsed);
                return FleetCommand.Show(run, await run.Client.CreateFleetAsync(
                    new CreateFleetRequest { Name = fleet, Label = parsed.GetValue(label) }, cancellationToken));
            }

            return await chain.ActAsync(
                parsed,
                run,
                new ChainActionRequest { Action = ChainActionKind.FleetCreate },
                done => $"""
                    the fleet is {done.Chain}:{done.Contract}
                    let devices in:      diode-tunnel fleet add 0xDEVICE --fleet {done.Chain}:{done.Contract}
                    then, on each:       diode-tunnel fleet join {done.Chain}:{done.Contract} --name {fleet}
                    """,
                cancellationToken);
        });
    }
}
