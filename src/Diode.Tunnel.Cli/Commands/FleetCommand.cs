using System.CommandLine;

namespace Diode.Tunnel.Cli.Commands;

/// <summary><c>fleet</c>: who belongs together.</summary>
internal static class FleetCommand
{
    internal static Command Create(CliShell shell) => new("fleet", "Fleets: the devices that reach each other.")
    {
        ListFleetsCommand.Create(shell),
        ListMembersCommand.Create(shell),
        CreateFleetCommand.Create(shell),
        AddMemberCommand.Create(shell),
        RemoveMemberCommand.Create(shell),
        JoinFleetCommand.Create(shell),
        LeaveFleetCommand.Create(shell),
        ExportFleetCommand.Create(shell),
        VerifyFleetCommand.Create(shell),
    };

    /// <summary><c>--fleet NAME</c>, optional where there is only one.</summary>
    internal static Option<string?> FleetOption() => new("--fleet")
    {
        Description = "Name or operator address of the fleet; not needed if there is only one.",
        HelpName = "FLEET",
    };

    /// <summary>Shows the fleet after a change.</summary>
    internal static int Show(CliRun run, Control.Models.FleetResult result)
    {
        run.Show(result, json => json.FleetResult, writer =>
            writer.WriteLine(Output.SafeText.Of(Output.FleetText.Line(result.Fleet))));
        return CliExitCodes.Ok;
    }
}
