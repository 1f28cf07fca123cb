using System.CommandLine;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>fleet remove</c>.</summary>
internal static class RemoveMemberCommand
{
    internal static Command Create(CliShell shell)
    {
        var device = new Argument<string>("DEVICE") { Description = "Address or label of the member." };
        Option<string?> fleet = FleetCommand.FleetOption();
        var command = new Command("remove", "Remove a member and sign the next version; its sessions are cut.") { device, fleet };
        ChainOptions chain = ChainOptions.Add(command);
        return shell.Handle(command, async (parsed, run, cancellationToken) =>
        {
            string member = parsed.GetRequiredValue(device);
            if (parsed.GetValue(chain.Chain) is null && !await FleetCommand.IsContractAsync(run, parsed.GetValue(fleet), cancellationToken))
            {
                chain.RefuseWithoutChain(parsed);
                return FleetCommand.Show(run, await run.Client.RemoveMemberAsync(
                    new RemoveMemberRequest { Fleet = parsed.GetValue(fleet), Device = member }, cancellationToken));
            }

            var request = new ChainActionRequest { Action = ChainActionKind.FleetRemove, Contract = parsed.GetValue(fleet), Addresses = [member] };
            return await chain.ActAsync(parsed, run, request, null, cancellationToken);
        });
    }
}
