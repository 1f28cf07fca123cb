using System.CommandLine;
using Diode.Tunnel.Cli.Output;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>fleet list</c>.</summary>
internal static class ListFleetsCommand
{
    internal static Command Create(CliShell shell)
    {
        var contract = new Argument<string?>("CONTRACT|NAME")
        {
            Description = "A fleet contract (0x… or CHAIN:0x…) or a name (NAME.diode), joined or not: show its devices.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        return shell.Handle(new Command("list", "Show the fleets this device knows, or the devices of a contract or a name.") { contract }, async (parsed, run, cancellationToken) =>
        {
            if (parsed.GetValue(contract) is { } address)
            {
                return await VerifyFleetCommand.ShowAsync(run, address, cancellationToken);
            }

            FleetList list = await run.Client.ListFleetsAsync(cancellationToken);
            run.Show(list, json => json.FleetList, writer =>
            {
                if (list.Fleets.Count == 0)
                {
                    writer.WriteLine("No fleet. Create one: sudo diode-tunnel fleet create NAME, or join one: … fleet join FILE");
                }
                else
                {
                    run.Table(FleetText.Summaries(list.Fleets));
                }
            });
            return CliExitCodes.Ok;
        });
    }
}
