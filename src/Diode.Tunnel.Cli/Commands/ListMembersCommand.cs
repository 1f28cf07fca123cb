using System.CommandLine;
using Diode.Tunnel.Cli.Output;
using Diode.Tunnel.Control;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>fleet members</c>.</summary>
internal static class ListMembersCommand
{
    internal static Command Create(CliShell shell)
    {
        var fleet = new Argument<string?>("FLEET")
        {
            Description = "Name or operator address; without it all fleets.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        return shell.Handle(new Command("members", "Show the members of a fleet.") { fleet }, async (parsed, run, cancellationToken) =>
        {
            FleetList list = await run.Client.ListFleetsAsync(cancellationToken);
            if (parsed.GetValue(fleet) is string wanted)
            {
                list = list with { Fleets = [.. list.Fleets.Where(known => Matches(known, wanted))] };
                if (list.Fleets.Count == 0)
                {
                    throw new ControlException(
                        ControlErrorCodes.NotFound, $"No fleet is called '{wanted}'.", "See them: diode-tunnel fleet list", 404);
                }
            }

            run.Show(list, json => json.FleetList, _ => run.Table(FleetText.Members(list.Fleets)));
            return CliExitCodes.Ok;
        });
    }

    private static bool Matches(FleetSummary fleet, string wanted) =>
        string.Equals(fleet.Name, wanted, StringComparison.OrdinalIgnoreCase)
        || string.Equals(fleet.Operator, wanted, StringComparison.OrdinalIgnoreCase);
}
